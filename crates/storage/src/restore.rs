//! Restores: pages of keys in the order of the unique index.
//!
//! Each page is a statement of its own, so that no transaction and no connection is held while a slow client reads.
//! A key is seen as it was when its page was read, and none twice.

use key_backup_model::{BackupVersion, RoomId, UserId};
use tokio_postgres::Row;

use crate::{Database, StorageError, database::Query, stored_key::StoredKey};

/// Keys of a page at the most: enough to make the cost of a statement disappear, few enough for memory (about 1.7 MB).
const PAGE_SIZE: i64 = 2000;

/// One page in the buffers in which it came from PostgreSQL.
pub struct Page(Vec<Row>);

/// A key of a page with its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlacedKey<'a> {
    /// Its room.
    pub room_id: &'a str,
    /// Its session.
    pub session_id: &'a str,
    /// The key.
    pub key: StoredKey<'a>,
}

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    room_id: String,
    session_id: String,
}

impl Page {
    /// The keys, ordered by room and session.
    pub fn keys(&self) -> impl Iterator<Item = PlacedKey<'_>> {
        self.0.iter().map(|row| PlacedKey {
            room_id: row.get(0),
            session_id: row.get(1),
            key: StoredKey::from_row(row, 2),
        })
    }

    /// How many keys it holds.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where to go on, or `None` if nothing is left.
    pub fn next(&self) -> Option<Position> {
        let full = i64::try_from(self.0.len()).is_ok_and(|keys| keys >= PAGE_SIZE);
        let last = self.0.last().filter(|_| full)?;
        Some(Position { room_id: last.get(0), session_id: last.get(1) })
    }
}

/// The version is part of each page's statement: a page of a version that vanished has no row at all, not even the
/// one without a key by which an empty page of an existing version shows.
macro_rules! page {
    ($filter:literal) => {
        Query {
            desc: "get_e2e_room_keys",
            verb: "SELECT",
            sql: concat!(
                "SELECT k.* FROM e2e_room_keys_versions v
                 LEFT JOIN LATERAL (
                    SELECT room_id, session_id, first_message_index, forwarded_count, is_verified, session_data
                      FROM e2e_room_keys
                     WHERE user_id = $1 AND version = $2 ",
                $filter,
                " ORDER BY room_id, session_id LIMIT $3) k ON true
                 WHERE v.user_id = $1 AND v.version = $2 AND v.deleted = 0"
            ),
        }
    };
}

// The first page has a statement of its own because nothing is smaller than every id: the empty string is one, too.
const FIRST: Query = page!("");
const NEXT: Query = page!("AND (room_id, session_id) > ($4, $5)");
const FIRST_OF_ROOM: Query = page!("AND room_id = $4");
const NEXT_OF_ROOM: Query = page!("AND room_id = $4 AND session_id > $5");

impl Database {
    /// A page of a version's keys, of one room or of all: the first, or the one after a position.
    /// `None` if there is no such version, or it was deleted meanwhile.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub async fn page(
        &self,
        user: &UserId,
        version: BackupVersion,
        room: Option<&RoomId>,
        after: Option<&Position>,
    ) -> Result<Option<Page>, StorageError> {
        let (user, version, limit) = (user.as_str(), version.to_column(), PAGE_SIZE);
        let rows = match (room.map(RoomId::as_str), after) {
            (None, None) => self.read(FIRST, &[&user, &version, &limit]).await?,
            (None, Some(after)) => {
                self.read(NEXT, &[&user, &version, &limit, &after.room_id, &after.session_id]).await?
            }
            (Some(room), None) => self.read(FIRST_OF_ROOM, &[&user, &version, &limit, &room]).await?,
            (Some(room), Some(after)) => {
                self.read(NEXT_OF_ROOM, &[&user, &version, &limit, &room, &after.session_id]).await?
            }
        };
        let exists = !rows.is_empty();
        let keys = rows.into_iter().filter(|row| row.get::<_, Option<&str>>(0).is_some()).collect();
        Ok(exists.then_some(Page(keys)))
    }
}
