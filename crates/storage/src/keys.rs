//! Single keys and deletions: table `e2e_room_keys`.

use key_backup_model::{BackupVersion, Etag, KeyCount, RoomId, SessionId, UserId};
use tokio_postgres::Row;

use crate::{Database, StorageError, database::Query, stored_key::StoredKey};

/// What a version holds for one session.
pub enum GetOutcome {
    /// The key.
    Found(FoundKey),
    /// The version exists, but has no such session.
    NoSuchKey,
    /// There is no such version, or it was deleted.
    UnknownVersion,
}

/// A key in the buffer in which it came from PostgreSQL.
pub struct FoundKey(Row);

impl FoundKey {
    /// The key, borrowed from the buffer.
    pub fn key(&self) -> StoredKey<'_> {
        StoredKey::from_row(&self.0, 1)
    }
}

/// Which keys of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All.
    All,
    /// Those of one room.
    Room(RoomId),
    /// The key of one session.
    Session(RoomId, SessionId),
}

/// A deletion that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deleted {
    /// The version after it.
    pub keys: KeyCount,
    /// Keys that were there before.
    pub deleted: u64,
}

const GET: Query = Query {
    desc: "get_e2e_room_keys",
    verb: "SELECT",
    sql: "SELECT k.session_id IS NOT NULL AS found,
                 k.first_message_index, k.forwarded_count, k.is_verified, k.session_data
            FROM e2e_room_keys_versions v
            LEFT JOIN e2e_room_keys k
              ON k.user_id = v.user_id AND k.version = v.version AND k.room_id = $3 AND k.session_id = $4
           WHERE v.user_id = $1 AND v.version = $2 AND v.deleted = 0",
};

/// Raises the etag even where nothing is deleted, as Synapse does.
macro_rules! delete_keys {
    ($filter:literal) => {
        Query {
            desc: "delete_e2e_room_keys",
            verb: "DELETE",
            sql: concat!(
                "WITH found AS (
                    SELECT coalesce(etag, 0) AS etag FROM e2e_room_keys_versions
                     WHERE user_id = $1 AND version = $2 AND deleted = 0),
                 gone AS (
                    DELETE FROM e2e_room_keys
                     WHERE user_id = $1 AND version = $2 ",
                $filter,
                " AND EXISTS (SELECT FROM found) RETURNING 1),
                 raised AS (
                    UPDATE e2e_room_keys_versions SET etag = coalesce(etag, 0) + 1
                     WHERE user_id = $1 AND version = $2 AND deleted = 0 RETURNING etag)
                 SELECT found.etag AS before, raised.etag, (SELECT count(*) FROM gone) AS deleted,
                    CASE WHEN found.etag = $3 THEN NULL
                         ELSE (SELECT count(*) FROM e2e_room_keys WHERE user_id = $1 AND version = $2) END AS counted
                   FROM found, raised"
            ),
        }
    };
}

const DELETE_ALL: Query = delete_keys!("");
const DELETE_ROOM: Query = delete_keys!("AND room_id = $4");
const DELETE_SESSION: Query = delete_keys!("AND room_id = $4 AND session_id = $5");

impl Database {
    /// The key of one session.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub async fn key(
        &self,
        user: &UserId,
        version: BackupVersion,
        room: &RoomId,
        session: &SessionId,
    ) -> Result<GetOutcome, StorageError> {
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [&user.as_str(), &version.to_column(), &room.as_str(), &session.as_str()];
        let mut rows = self.read(GET, &params).await?;
        Ok(match rows.pop() {
            None => GetOutcome::UnknownVersion,
            Some(row) if row.get("found") => GetOutcome::Found(FoundKey(row)),
            Some(_) => GetOutcome::NoSuchKey,
        })
    }

    /// Deletes keys of a version and raises its etag by one. `None` if there is no such version, or it was deleted.
    ///
    /// The remaining keys are counted unless `known` is for this version and the etag that it has before.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub async fn delete_keys(
        &self,
        user: &UserId,
        version: BackupVersion,
        selection: &Selection,
        known: Option<KeyCount>,
    ) -> Result<Option<Deleted>, StorageError> {
        let known = known.filter(|known| known.version == version);
        let etag = known.map(|known| known.etag.get());
        let (user_id, number) = (user.as_str(), version.to_column());
        let rows = match selection {
            Selection::All => self.change(DELETE_ALL, user, &[&user_id, &number, &etag]).await?,
            Selection::Room(room) => {
                self.change(DELETE_ROOM, user, &[&user_id, &number, &etag, &room.as_str()]).await?
            }
            Selection::Session(room, session) => {
                let params: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
                    [&user_id, &number, &etag, &room.as_str(), &session.as_str()];
                self.change(DELETE_SESSION, user, &params).await?
            }
        };
        let Some(row) = rows.first() else { return Ok(None) };
        let mut deleted = deleted(row, version, known);
        if !deleted.keys.etag.follows(Etag::from_column(row.get("before"))) {
            deleted.keys.count = self.count_again(user, version, deleted.keys.count).await?;
        }
        Ok(Some(deleted))
    }
}

fn deleted(row: &Row, version: BackupVersion, known: Option<KeyCount>) -> Deleted {
    let deleted: i64 = row.get("deleted");
    let counted: Option<i64> = row.get("counted");
    let before = counted.or(known.map(|known| known.count)).unwrap_or(0);
    let keys = KeyCount { version, etag: Etag::from_column(row.get("etag")), count: before - deleted };
    Deleted { keys, deleted: deleted.unsigned_abs() }
}
