//! The rights that our statements need, beside those that the role has.
//!
//! `deploy/postgresql/grants.sql` grants exactly what stands here; a test of the worker runs every operation with it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Database, StorageError, database::Query};

/// What the role of this worker lacks, and what it has beyond need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Privileges {
    /// The role, as the session has it.
    pub role: String,
    /// It is a superuser or owns Synapse's tables, so that grants say nothing about it.
    pub unlimited: bool,
    /// What is missing, such as `SELECT (locked) on users`.
    pub missing: Vec<String>,
    /// What is superfluous, such as `INSERT, DELETE on devices`; one text for each table.
    pub superfluous: Vec<String>,
}

/// The rights on one table, column by column.
struct Need {
    table: &'static str,
    select: &'static [&'static str],
    insert: &'static [&'static str],
    update: &'static [&'static str],
    delete: bool,
}

impl Need {
    const fn read(table: &'static str, select: &'static [&'static str]) -> Self {
        Self { table, select, insert: &[], update: &[], delete: false }
    }
}

/// The columns of a key, and `xmax`: by that the upload statement tells rows that it has added from those that it has replaced.
const KEY_COLUMNS_AND_XMAX: [&str; 9] = [
    "user_id",
    "version",
    "room_id",
    "session_id",
    "first_message_index",
    "forwarded_count",
    "is_verified",
    "session_data",
    "xmax",
];

const KEY_COLUMNS: &[&str] = KEY_COLUMNS_AND_XMAX.split_at(8).0;

/// What the statements of this crate read and write.
const NEEDED: &[Need] = &[
    Need {
        table: "e2e_room_keys",
        select: &KEY_COLUMNS_AND_XMAX,
        insert: KEY_COLUMNS,
        update: &["first_message_index", "forwarded_count", "is_verified", "session_data"],
        delete: true,
    },
    Need {
        table: "e2e_room_keys_versions",
        select: &["user_id", "version", "algorithm", "auth_data", "deleted", "etag"],
        insert: &["user_id", "version", "algorithm", "auth_data"],
        update: &["auth_data", "deleted", "etag"],
        delete: false,
    },
    Need {
        update: &["used"],
        ..Need::read(
            "access_tokens",
            &["id", "user_id", "device_id", "token", "valid_until_ms", "puppets_user_id", "used"],
        )
    },
    Need::read("cache_invalidation_stream_by_instance", &["stream_id", "cache_func", "keys"]),
    Need::read("account_validity", &["user_id", "expiration_ts_ms"]),
    Need::read("devices", &["user_id", "device_id", "hidden"]),
    Need::read("ratelimit_override", &["user_id", "messages_per_second", "burst_count"]),
    Need::read("users", &["name", "is_guest", "locked"]),
];

const READ_ROLE: Query = Query {
    desc: "check_privileges",
    verb: "SELECT",
    sql: "SELECT current_user::text,
                 coalesce(bool_or(r.rolsuper OR pg_has_role(c.relowner, 'USAGE')), false)
            FROM pg_roles r LEFT JOIN pg_class c ON c.oid = to_regclass('e2e_room_keys')
           WHERE r.rolname = current_user",
};

/// One row for each table and privilege that the role has: the columns that it has it on, and whether there are others. What an extension brings is the administrator's business.
const READ_HELD: Query = Query {
    desc: "check_privileges",
    verb: "SELECT",
    sql: "SELECT CASE WHEN pg_table_is_visible(c.oid) THEN c.relname::text ELSE n.nspname || '.' || c.relname END,
                 p.privilege,
                 ARRAY(SELECT attname::text FROM pg_attribute
                        WHERE p.by_column AND attrelid = c.oid AND NOT attisdropped
                          AND (attnum > 0 OR attname = 'xmax' AND c.relname = 'e2e_room_keys' AND p.privilege = 'SELECT')
                          AND has_column_privilege(c.oid, attnum, p.privilege)),
                 p.by_column AND EXISTS (SELECT FROM pg_attribute
                        WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
                          AND NOT has_column_privilege(c.oid, attnum, p.privilege))
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            CROSS JOIN (VALUES ('SELECT', true), ('INSERT', true), ('UPDATE', true), ('DELETE', false),
                               ('TRUNCATE', false), ('TRIGGER', false)) AS p(privilege, by_column)
           WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
             AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
             AND NOT EXISTS (SELECT FROM pg_depend
                              WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
             AND CASE WHEN p.by_column THEN has_any_column_privilege(c.oid, p.privilege)
                      ELSE has_table_privilege(c.oid, p.privilege) END",
};

/// A table and a privilege.
type Right = (String, String);

/// Columns; none where the privilege knows no columns.
type Columns = BTreeSet<String>;

impl Database {
    /// Compares the rights that this worker needs with those that its role has on tables outside PostgreSQL's own schemas.
    /// Rights of `PUBLIC` and of roles that it is a member of count, too.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub async fn check_privileges(&self) -> Result<Privileges, StorageError> {
        let role = self.read(READ_ROLE, &[]).await?;
        let held = self.read(READ_HELD, &[]).await?;
        let partial: BTreeSet<Right> =
            held.iter().filter(|row| row.get(3)).map(|row| (row.get(0), row.get(1))).collect();
        let held: BTreeMap<Right, Columns> = held
            .iter()
            .map(|row| ((row.get(0), row.get(1)), row.get::<_, Vec<String>>(2).into_iter().collect()))
            .collect();
        let needed = needed();
        let missing = beyond(&needed, &held).map(|(right, columns)| {
            // Naming every column would be noise where nothing is granted.
            let all = !held.contains_key(right);
            (right, if all { Columns::new() } else { columns })
        });
        let superfluous = beyond(&held, &needed).map(|(right, columns)| {
            let all = !partial.contains(right) && !needed.contains_key(right);
            (right, if all { Columns::new() } else { columns })
        });
        Ok(Privileges {
            role: role.first().map(|row| row.get(0)).unwrap_or_default(),
            unlimited: role.first().is_some_and(|row| row.get(1)),
            missing: by_table(missing),
            superfluous: by_table(superfluous),
        })
    }
}

fn needed() -> BTreeMap<Right, Columns> {
    let mut rights = BTreeMap::new();
    for need in NEEDED {
        for (privilege, columns) in
            [("SELECT", need.select), ("INSERT", need.insert), ("UPDATE", need.update)]
        {
            if !columns.is_empty() {
                let columns = columns.iter().map(ToString::to_string).collect();
                rights.insert((need.table.to_owned(), privilege.to_owned()), columns);
            }
        }
        if need.delete {
            rights.insert((need.table.to_owned(), "DELETE".to_owned()), Columns::new());
        }
    }
    rights
}

/// What is in the first set and not in the second.
fn beyond<'a>(
    rights: &'a BTreeMap<Right, Columns>,
    others: &'a BTreeMap<Right, Columns>,
) -> impl Iterator<Item = (&'a Right, Columns)> {
    rights.iter().filter_map(|(right, columns)| match others.get(right) {
        None => Some((right, columns.clone())),
        Some(other) => {
            let more: Columns = columns.difference(other).cloned().collect();
            (!more.is_empty()).then_some((right, more))
        }
    })
}

/// `SELECT (a, b), DELETE on t`; without columns all of them are meant.
fn by_table<'a>(rights: impl Iterator<Item = (&'a Right, Columns)>) -> Vec<String> {
    let mut tables: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for ((table, privilege), columns) in rights {
        let columns: Vec<_> = columns.into_iter().collect();
        let columns = if columns.is_empty() { String::new() } else { format!(" ({})", columns.join(", ")) };
        tables.entry(table).or_default().push(format!("{privilege}{columns}"));
    }
    tables.into_iter().map(|(table, privileges)| format!("{} on {table}", privileges.join(", "))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::COLUMNS;

    #[test]
    fn every_column_that_the_start_relies_on_has_its_right_and_no_other_has() {
        let checked: BTreeSet<_> = COLUMNS
            .iter()
            .flat_map(|(table, columns)| columns.iter().map(|column| (*table, column.0)))
            .collect();
        let readable = NEEDED.iter().flat_map(|need| need.select.iter().map(|column| (need.table, *column)));
        assert_eq!(checked, readable.filter(|(_, column)| *column != "xmax").collect());
    }

    #[test]
    fn what_is_written_can_be_read() {
        for need in NEEDED {
            assert!(need.insert.iter().chain(need.update).all(|column| need.select.contains(column)));
        }
    }

    #[test]
    fn rights_are_named_by_table() {
        let right = |table: &str, privilege: &str| (table.to_owned(), privilege.to_owned());
        let (select, delete) = (right("users", "SELECT"), right("users", "DELETE"));
        let columns: Columns = ["locked".to_owned(), "name".to_owned()].into();
        let named = by_table([(&delete, Columns::new()), (&select, columns)].into_iter());
        assert_eq!(named, ["DELETE, SELECT (locked, name) on users"]);
    }
}
