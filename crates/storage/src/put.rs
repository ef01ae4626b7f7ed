//! The upload statement: merges keys of one user, or of several, each into the current version of the user's backup.

use key_backup_model::{BackupVersion, Etag, KeyCount, UploadRow, UserId};
use tokio_postgres::Row;

use crate::{Database, StorageError, database::Query, lease::Lease};

/// Keys to be merged into a version.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Whose.
    pub user: UserId,
    /// It has to be the current one.
    pub version: BackupVersion,
    /// Sorted by (room, session), each session once.
    pub rows: Vec<UploadRow>,
    /// How many keys the version holds, as far as is known. They are counted unless it is for this version and the etag that it has
    /// before.
    pub known: Option<KeyCount>,
}

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
/// `OFFSET 0` keeps the planner from taking the comparison apart: on a table of which it knows nothing yet it would go through a whole
/// index for each key. A count in the place of `EXISTS` keeps it from reading all versions of all users in advance.
///
/// Where an etag cannot be raised although keys were written, Synapse has deleted the version since the statement
/// began: dividing by zero rolls everything back, and the next try finds the version gone.
pub(crate) const PUT: Query = Query {
    desc: "add_e2e_room_keys",
    verb: "INSERT",
    sql: concat!(
        "WITH upload AS MATERIALIZED (
            SELECT u.*, c.version AS current, coalesce(c.etag, 0) AS etag
              FROM unnest($1::int[], $2::text[], $3::bigint[], $4::bigint[]) AS u(number, user_id, version, known_etag)
              LEFT JOIN LATERAL (
                SELECT version, etag FROM e2e_room_keys_versions
                 WHERE user_id = u.user_id AND deleted = 0 ORDER BY version DESC LIMIT 1) c ON true),
         put AS (
            INSERT INTO e2e_room_keys AS k
              (user_id, version, room_id, session_id, first_message_index, forwarded_count, is_verified, session_data)
            SELECT u.user_id, u.version, new.room_id, new.session_id,
                new.first_message_index, new.forwarded_count, new.is_verified, new.session_data
              FROM unnest($5::int[], $6::text[], $7::text[], $8::int[], $9::int[], $10::bool[], $11::text[])
                AS new(number, room_id, session_id, first_message_index, forwarded_count, is_verified, session_data)
              JOIN upload u ON u.number = new.number AND u.current = u.version
              LEFT JOIN LATERAL (
                SELECT session_id, is_verified, first_message_index, forwarded_count FROM e2e_room_keys k
                 WHERE k.user_id = u.user_id AND k.version = u.version
                   AND k.room_id = new.room_id AND k.session_id = new.session_id OFFSET 0) old ON true
            WHERE old.session_id IS NULL OR ", replaces!("new", "old"), "
            ON CONFLICT (user_id, version, room_id, session_id) DO UPDATE SET
              first_message_index = excluded.first_message_index, forwarded_count = excluded.forwarded_count,
              is_verified = excluded.is_verified, session_data = excluded.session_data
            WHERE ", replaces!("excluded", "k"), "
            RETURNING k.user_id, (xmax = 0) AS added),
         sum AS (SELECT user_id, count(*) AS changed, count(*) FILTER (WHERE added) AS added FROM put GROUP BY user_id),
         raised AS (
            UPDATE e2e_room_keys_versions v SET etag = coalesce(v.etag, 0) + 1 FROM sum JOIN upload USING (user_id)
             WHERE v.user_id = upload.user_id AND v.version = upload.version AND v.deleted = 0
            RETURNING v.user_id, v.etag)
         SELECT u.number, u.current, u.etag AS before, coalesce(raised.etag, u.etag) AS after,
            coalesce(sum.added, 0) AS added, coalesce(sum.changed, 0) AS changed,
            (SELECT count(*) FROM e2e_room_keys_versions v
              WHERE v.user_id = u.user_id AND v.version = u.version AND v.deleted = 0) > 0 AS exists,
            CASE WHEN u.current <> u.version OR u.etag = u.known_etag THEN NULL
                 ELSE (SELECT count(*) FROM e2e_room_keys k WHERE k.user_id = u.user_id AND k.version = u.version)
            END AS counted,
            CASE WHEN sum.changed > 0 AND raised.etag IS NULL THEN 1 / (sum.changed - sum.changed) END AS vanished
           FROM upload u LEFT JOIN sum USING (user_id) LEFT JOIN raised USING (user_id)"
    ),
};

impl Database {
    /// Merges uploads, each of another user, in one transaction. The outcomes come in the order of the uploads.
    ///
    /// # Errors
    ///
    /// [`StorageError`]: nothing was stored, unless it is [`StorageError::Unavailable`].
    pub(crate) async fn put(
        &self,
        client: Lease,
        uploads: &[Upload],
    ) -> Result<Vec<PutOutcome>, StorageError> {
        let columns = Columns::of(uploads);
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 11] = [
            &columns.number,
            &columns.user_id,
            &columns.version,
            &columns.known_etag,
            &columns.number_of_key,
            &columns.room_id,
            &columns.session_id,
            &columns.first_message_index,
            &columns.forwarded_count,
            &columns.is_verified,
            &columns.session_data,
        ];
        let rows = self.change_with(&client, PUT, &columns.user_id, &params).await?;
        // An outcome may need a connection, and there may be no other.
        drop(client);
        self.count_batch(uploads.len(), columns.room_id.len());
        let mut outcomes = vec![PutOutcome::UnknownVersion; uploads.len()];
        for row in &rows {
            let number = usize::try_from(row.get::<_, i32>("number")).unwrap_or(usize::MAX);
            let (Some(outcome), Some(upload)) = (outcomes.get_mut(number), uploads.get(number)) else {
                return Err(StorageError::UnexpectedRow { desc: PUT.desc, what: "the number of an upload" });
            };
            *outcome = self.put_outcome(upload, row).await?;
        }
        Ok(outcomes)
    }

    /// A connection for [`Self::put`].
    pub(crate) async fn put_connection(&self) -> Result<Lease, StorageError> {
        self.connection(PUT.desc).await
    }

    async fn put_outcome(&self, upload: &Upload, row: &Row) -> Result<PutOutcome, StorageError> {
        let version = upload.version;
        let Some(current) = row.get::<_, Option<i64>>("current").map(BackupVersion::from_column) else {
            return Ok(PutOutcome::UnknownVersion);
        };
        if current != version {
            let exists = row.get("exists");
            return Ok(if exists { PutOutcome::NotCurrent { current } } else { PutOutcome::UnknownVersion });
        }
        let (before, after) = (Etag::from_column(row.get("before")), Etag::from_column(row.get("after")));
        let (added, changed): (i64, i64) = (row.get("added"), row.get("changed"));
        let counted: Option<i64> = row.get("counted");
        let mut count = counted.or(upload.known.map(|known| known.count)).unwrap_or(0) + added;
        if after != before && !after.follows(before) {
            count = self.count_again(&upload.user, version, count).await?;
        }
        Ok(PutOutcome::Stored {
            keys: KeyCount { version, etag: after, count },
            added: added.unsigned_abs(),
            replaced: changed.abs_diff(added),
        })
    }
}

/// The uploads turned on their side, as arrays of PostgreSQL: one set for the uploads, one for their keys.
#[derive(Default)]
struct Columns<'a> {
    number: Vec<i32>,
    user_id: Vec<&'a str>,
    version: Vec<i64>,
    known_etag: Vec<Option<i64>>,
    number_of_key: Vec<i32>,
    room_id: Vec<&'a str>,
    session_id: Vec<&'a str>,
    first_message_index: Vec<i32>,
    forwarded_count: Vec<i32>,
    is_verified: Vec<bool>,
    session_data: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    fn of(uploads: &'a [Upload]) -> Self {
        let mut columns = Self::default();
        for (number, upload) in (0..).zip(uploads) {
            let known = upload.known.filter(|known| known.version == upload.version);
            columns.number.push(number);
            columns.user_id.push(upload.user.as_str());
            columns.version.push(upload.version.to_column());
            columns.known_etag.push(known.map(|known| known.etag.get()));
            upload.rows.iter().for_each(|row| columns.key(number, row));
        }
        columns
    }

    fn key(&mut self, number: i32, UploadRow { room_id, session_id, key }: &'a UploadRow) {
        self.number_of_key.push(number);
        self.room_id.push(room_id.as_str());
        self.session_id.push(session_id.as_str());
        self.first_message_index.push(key.first_message_index);
        self.forwarded_count.push(key.forwarded_count);
        self.is_verified.push(key.is_verified);
        self.session_data.push(key.session_data.as_str());
    }
}
