//! The upload statement: merges keys into the current version of a backup.

use key_backup_model::{BackupVersion, Etag, KeyCount, UploadRow, UserId};
use tokio_postgres::Row;

use crate::{Count, Database, StorageError, VersionOutcome, database::Query};

/// What became of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// Each key is stored, or the backup held a better or equal one. The commit has been confirmed.
    Stored {
        /// The version after it.
        keys: KeyCount,
        /// Keys that were not there before.
        added: u64,
        /// Keys that took the place of a worse one.
        replaced: u64,
    },
    /// The version exists but is not the current one; nothing was stored.
    NotCurrent {
        /// The version that is.
        current: BackupVersion,
    },
    /// There is no such version, or it was deleted; nothing was stored.
    UnknownVersion,
}

/// The rule of `key_backup_model::merge` in SQL. In old rows of Synapse's the numbers may be NULL: such a key is the
/// worst there can be.
macro_rules! replaces {
    ($new:literal, $old:literal) => {
        concat!(
            "(NOT ",
            $new,
            ".is_verified, ",
            $new,
            ".first_message_index, ",
            $new,
            ".forwarded_count) < ",
            "(NOT coalesce(",
            $old,
            ".is_verified, false), coalesce(",
            $old,
            ".first_message_index, 2147483647), ",
            "coalesce(",
            $old,
            ".forwarded_count, 2147483647))"
        )
    };
}

/// Compares with what is there before it writes, because a row that `DO UPDATE ... WHERE` refuses has been locked already,
/// which dirties its page; and once more in the conflict, for a row that one of Synapse's processes wrote meanwhile.
///
/// Where the etag cannot be raised although keys were written, Synapse has deleted the version since the statement
/// began: dividing by zero rolls everything back, and the next try finds the version gone.
const PUT: Query = Query {
    desc: "add_e2e_room_keys",
    verb: "INSERT",
    sql: concat!(
        "WITH current AS MATERIALIZED (
            SELECT version, coalesce(etag, 0) AS etag FROM e2e_room_keys_versions
             WHERE user_id = $1 AND deleted = 0 ORDER BY version DESC LIMIT 1),
         put AS (
            INSERT INTO e2e_room_keys AS k
              (user_id, version, room_id, session_id, first_message_index, forwarded_count, is_verified, session_data)
            SELECT $1, $2, new.* FROM current,
              unnest($3::text[], $4::text[], $5::int[], $6::int[], $7::bool[], $8::text[])
                AS new(room_id, session_id, first_message_index, forwarded_count, is_verified, session_data)
              LEFT JOIN e2e_room_keys old ON old.user_id = $1 AND old.version = $2
                AND old.room_id = new.room_id AND old.session_id = new.session_id
            WHERE current.version = $2 AND (old.session_id IS NULL OR ", replaces!("new", "old"), ")
            ON CONFLICT (user_id, version, room_id, session_id) DO UPDATE SET
              first_message_index = excluded.first_message_index, forwarded_count = excluded.forwarded_count,
              is_verified = excluded.is_verified, session_data = excluded.session_data
            WHERE ", replaces!("excluded", "k"), "
            RETURNING (xmax = 0) AS added),
         sum AS (SELECT count(*) AS changed, count(*) FILTER (WHERE added) AS added FROM put),
         raised AS (
            UPDATE e2e_room_keys_versions v SET etag = coalesce(v.etag, 0) + 1 FROM sum
             WHERE v.user_id = $1 AND v.version = $2 AND v.deleted = 0 AND sum.changed > 0 RETURNING v.etag)
         SELECT current.version AS current, current.etag AS before, coalesce(raised.etag, current.etag) AS after,
            sum.added, sum.changed,
            EXISTS (SELECT FROM e2e_room_keys_versions
                     WHERE user_id = $1 AND version = $2 AND deleted = 0) AS exists,
            CASE WHEN current.version <> $2 OR current.etag = $9 THEN NULL
                 ELSE (SELECT count(*) FROM e2e_room_keys WHERE user_id = $1 AND version = $2) END AS counted,
            CASE WHEN sum.changed > 0 AND raised.etag IS NULL THEN 1 / (sum.changed - sum.changed) END AS vanished
           FROM current CROSS JOIN sum LEFT JOIN raised ON true"
    ),
};

impl Database {
    /// Merges `rows` into `version`, which has to be the current one, and raises its etag by one if that changed
    /// anything. All or nothing; on return it is committed.
    ///
    /// `rows` are sorted by (room, session) and name each session once. The stored keys are counted unless `known` is
    /// for this version and the etag that it has before.
    ///
    /// # Errors
    ///
    /// [`StorageError`]; after [`StorageError::Unavailable`] it may have been committed all the same. To send the same
    /// rows again is safe.
    pub async fn put_keys(
        &self,
        user: &UserId,
        version: BackupVersion,
        rows: &[UploadRow],
        known: Option<KeyCount>,
    ) -> Result<PutOutcome, StorageError> {
        let known = known.filter(|known| known.version == version);
        let columns = Columns::of(rows);
        let answer = self
            .change(
                PUT,
                user,
                &[
                    &user.as_str(),
                    &version.to_column(),
                    &columns.room_id,
                    &columns.session_id,
                    &columns.first_message_index,
                    &columns.forwarded_count,
                    &columns.is_verified,
                    &columns.session_data,
                    &known.map(|known| known.etag.get()),
                ],
            )
            .await?;
        self.count_batch(1, rows.len());
        match answer.first() {
            None => Ok(PutOutcome::UnknownVersion),
            Some(row) => self.put_outcome(user, version, row, known).await,
        }
    }

    async fn put_outcome(
        &self,
        user: &UserId,
        version: BackupVersion,
        row: &Row,
        known: Option<KeyCount>,
    ) -> Result<PutOutcome, StorageError> {
        let current = BackupVersion::from_column(row.get("current"));
        if current != version {
            let exists = row.get("exists");
            return Ok(if exists { PutOutcome::NotCurrent { current } } else { PutOutcome::UnknownVersion });
        }
        let (before, after) = (Etag::from_column(row.get("before")), Etag::from_column(row.get("after")));
        let (added, changed): (i64, i64) = (row.get("added"), row.get("changed"));
        let counted: Option<i64> = row.get("counted");
        let mut count = counted.or(known.map(|known| known.count)).unwrap_or(0) + added;
        if after != before && !after.follows(before) {
            // Synapse changed the version while this statement ran, so that the sum may be off.
            if let VersionOutcome::Found(info) =
                self.version(user, Some(version), None, Count::IfNeeded).await?
            {
                count = info.keys.count;
            }
        }
        Ok(PutOutcome::Stored {
            keys: KeyCount { version, etag: after, count },
            added: added.unsigned_abs(),
            replaced: changed.abs_diff(added),
        })
    }
}

/// The rows turned on their side, as arrays of PostgreSQL.
#[derive(Default)]
struct Columns<'a> {
    room_id: Vec<&'a str>,
    session_id: Vec<&'a str>,
    first_message_index: Vec<i32>,
    forwarded_count: Vec<i32>,
    is_verified: Vec<bool>,
    session_data: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    fn of(rows: &'a [UploadRow]) -> Self {
        let mut columns = Self::default();
        for UploadRow { room_id, session_id, key } in rows {
            columns.room_id.push(room_id.as_str());
            columns.session_id.push(session_id.as_str());
            columns.first_message_index.push(key.first_message_index);
            columns.forwarded_count.push(key.forwarded_count);
            columns.is_verified.push(key.is_verified);
            columns.session_data.push(key.session_data.as_str());
        }
        columns
    }
}
