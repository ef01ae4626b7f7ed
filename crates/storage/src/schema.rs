//! Checks at start that the database is Synapse's, as far as our statements rely on it. Synapse owns the schema: nothing is changed.

use tokio_postgres::Row;

use crate::{Database, StorageError, database::Query};

/// What a database lacks, as one sentence for each thing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the database is not one that this worker can serve: {}", .0.join("; "))]
pub struct SchemaMismatch(pub Vec<String>);

/// The columns that our statements name, with their types as PostgreSQL spells them.
pub(crate) const COLUMNS: &[(&str, &[(&str, &str)])] = &[
    (
        "e2e_room_keys",
        &[
            ("user_id", "text"),
            ("version", "bigint"),
            ("room_id", "text"),
            ("session_id", "text"),
            ("first_message_index", "integer"),
            ("forwarded_count", "integer"),
            ("is_verified", "boolean"),
            ("session_data", "text"),
        ],
    ),
    (
        "e2e_room_keys_versions",
        &[
            ("user_id", "text"),
            ("version", "bigint"),
            ("algorithm", "text"),
            ("auth_data", "text"),
            ("deleted", "smallint"),
            ("etag", "bigint"),
        ],
    ),
    (
        "access_tokens",
        &[
            ("id", "bigint"),
            ("user_id", "text"),
            ("device_id", "text"),
            ("token", "text"),
            ("valid_until_ms", "bigint"),
            ("puppets_user_id", "text"),
            ("used", "boolean"),
        ],
    ),
    (
        "cache_invalidation_stream_by_instance",
        &[("stream_id", "bigint"), ("cache_func", "text"), ("keys", "text[]")],
    ),
    ("account_validity", &[("user_id", "text"), ("expiration_ts_ms", "bigint")]),
    ("devices", &[("user_id", "text"), ("device_id", "text"), ("hidden", "boolean")]),
    (
        "ratelimit_override",
        &[("user_id", "text"), ("messages_per_second", "bigint"), ("burst_count", "bigint")],
    ),
    ("users", &[("name", "text"), ("is_guest", "smallint"), ("locked", "boolean")]),
];

/// The unique indexes without which two writers could store one thing twice.
const UNIQUE: &[(&str, &str)] = &[
    ("e2e_room_keys", "user_id, version, room_id, session_id"),
    ("e2e_room_keys_versions", "user_id, version"),
    ("access_tokens", "token"),
];

const READ_COLUMNS: Query = Query {
    desc: "check_schema",
    verb: "SELECT",
    sql: "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute
           WHERE attrelid = to_regclass($1::text) AND attnum > 0 AND NOT attisdropped",
};

/// Expression and partial indexes don't count: `ON CONFLICT` cannot use them for us.
const READ_UNIQUE: Query = Query {
    desc: "check_schema",
    verb: "SELECT",
    sql: "SELECT (SELECT string_agg(attname, ', ' ORDER BY at) FROM unnest(i.indkey[:i.indnkeyatts - 1]) WITH ORDINALITY AS c(number, at)
                    JOIN pg_attribute ON attrelid = i.indrelid AND attnum = number)
            FROM pg_index i
           WHERE i.indrelid = to_regclass($1::text) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL",
};

const READ_SERVER: Query = Query {
    desc: "check_schema",
    verb: "SELECT",
    sql: "SELECT current_setting('server_version_num')::int, pg_encoding_to_char(encoding)::text, datcollate::text,
                 datctype::text
            FROM pg_database WHERE datname = current_database()",
};

impl Database {
    /// Checks server version, encoding, collation (unless `allow_unsafe_locale`), columns and unique indexes. `Ok(Err(_))` names
    /// what is missing.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if PostgreSQL cannot be asked.
    pub async fn check_schema(
        &self,
        allow_unsafe_locale: bool,
    ) -> Result<Result<(), SchemaMismatch>, StorageError> {
        let mut missing = Vec::new();
        if let Some(server) = self.read(READ_SERVER, &[]).await?.first() {
            missing.extend(wrong_server(server, allow_unsafe_locale));
        }
        for (table, columns) in COLUMNS {
            let found = self.read(READ_COLUMNS, &[table]).await?;
            missing.extend(missing_columns(table, columns, &found));
        }
        for (table, columns) in UNIQUE {
            let found = self.read(READ_UNIQUE, &[table]).await?;
            if !found.iter().any(|row| row.get::<_, Option<&str>>(0) == Some(columns)) {
                missing.push(format!("{table} has no unique index on ({columns})"));
            }
        }
        Ok(if missing.is_empty() { Ok(()) } else { Err(SchemaMismatch(missing)) })
    }
}

fn wrong_server(server: &Row, allow_unsafe_locale: bool) -> Vec<String> {
    let (version, encoding): (i32, &str) = (server.get(0), server.get(1));
    let mut wrong = Vec::new();
    if version < 140_000 {
        wrong.push(format!("PostgreSQL {} is older than 14", version / 10_000));
    }
    if encoding != "UTF8" {
        wrong.push(format!("its encoding is {encoding} instead of UTF8"));
    }
    let locales: [&str; 2] = [server.get(2), server.get(3)];
    if !allow_unsafe_locale && locales.iter().any(|locale| !matches!(*locale, "C" | "POSIX")) {
        wrong.push(format!(
            "its collation is {} and its ctype {} instead of C (Synapse's setting `allow_unsafe_locale` permits that)",
            locales[0], locales[1]
        ));
    }
    wrong
}

fn missing_columns(table: &str, columns: &[(&str, &str)], found: &[Row]) -> Vec<String> {
    if found.is_empty() {
        return vec![format!(
            "table {table} does not exist (has Synapse's main process been started on it?)"
        )];
    }
    let type_of = |column: &str| {
        found.iter().find(|row| row.get::<_, &str>(0) == column).map(|row| row.get::<_, &str>(1))
    };
    columns
        .iter()
        .filter_map(|(column, wanted)| match type_of(column) {
            None => Some(format!("{table}.{column} does not exist")),
            Some(found) if found != *wanted => {
                Some(format!("{table}.{column} is {found} instead of {wanted}"))
            }
            Some(_) => None,
        })
        .collect()
}
