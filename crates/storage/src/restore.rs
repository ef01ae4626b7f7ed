//! Restores: keys of a version, handed to a visitor row by row, so that nobody has to keep rows.
//!
//! Each page is a statement of its own, so that no transaction and no connection is held while a slow client reads.
//! A key is seen as it was when its page was read, and none twice.

use key_backup_model::{BackupVersion, RoomId, UserId};
use tokio_postgres::Row;

use crate::{
    Database, StorageError,
    database::{Params, Query},
    stored_key::StoredKey,
};

/// Keys of a page at the most: enough to make the cost of a statement disappear, few enough for memory (about 1.7 MB).
const PAGE_SIZE: u32 = 2000;

/// A key of a restore with its place, in the buffer in which it came from PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlacedKey<'a> {
    /// Its room.
    pub room_id: &'a str,
    /// Its session.
    pub session_id: &'a str,
    /// The key.
    pub key: StoredKey<'a>,
}

impl<'a> PlacedKey<'a> {
    /// `None` for the row of a version without keys.
    fn from_row(row: &'a Row) -> Option<Self> {
        let room_id: Option<&str> = row.get(0);
        Some(Self { room_id: room_id?, session_id: row.get(1), key: StoredKey::from_row(row, 2) })
    }
}

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    room_id: String,
    session_id: String,
}

impl Position {
    fn of(placed: &PlacedKey<'_>) -> Self {
        Self { room_id: placed.room_id.to_owned(), session_id: placed.session_id.to_owned() }
    }
}

/// A page that has been visited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// How many keys it held.
    pub keys: u32,
    /// Where to go on, or `None` if nothing is left.
    pub next: Option<Position>,
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

/// In the order in which the table has them, which costs PostgreSQL half of what the order of an index does.
const ALL: Query = Query {
    desc: "get_e2e_room_keys",
    verb: "SELECT",
    sql: "SELECT k.room_id, k.session_id, k.first_message_index, k.forwarded_count, k.is_verified, k.session_data
            FROM e2e_room_keys_versions v
            LEFT JOIN e2e_room_keys k ON k.user_id = v.user_id AND k.version = v.version
           WHERE v.user_id = $1 AND v.version = $2 AND v.deleted = 0",
};

impl Database {
    /// Visits a page of a version's keys, ordered by room and session, of one room or of all: the first page, or the one after a
    /// position. `None` if there is no such version, or it was deleted meanwhile.
    ///
    /// # Errors
    ///
    /// [`StorageError`]. Keys may have been visited already.
    pub async fn page(
        &self,
        user: &UserId,
        version: BackupVersion,
        room: Option<&RoomId>,
        after: Option<&Position>,
        mut visit: impl FnMut(&PlacedKey<'_>),
    ) -> Result<Option<Page>, StorageError> {
        let (user, version, limit) = (user.as_str(), version.to_column(), i64::from(PAGE_SIZE));
        let mut page = None;
        let visit = |row: &Row| {
            let page = page.get_or_insert(Page { keys: 0, next: None });
            let Some(placed) = PlacedKey::from_row(row) else { return };
            page.keys += 1;
            if page.keys == PAGE_SIZE {
                page.next = Some(Position::of(&placed));
            }
            visit(&placed);
        };
        match (room.map(RoomId::as_str), after) {
            (None, None) => self.visit(FIRST, &[&user, &version, &limit], visit).await?,
            (None, Some(after)) => {
                let params: Params<'_> = &[&user, &version, &limit, &after.room_id, &after.session_id];
                self.visit(NEXT, params, visit).await?;
            }
            (Some(room), None) => self.visit(FIRST_OF_ROOM, &[&user, &version, &limit, &room], visit).await?,
            (Some(room), Some(after)) => {
                let params: Params<'_> = &[&user, &version, &limit, &room, &after.session_id];
                self.visit(NEXT_OF_ROOM, params, visit).await?;
            }
        }
        Ok(page)
    }

    /// Visits all keys of a version in any order. `None` if there is no such version; else how many keys there were.
    ///
    /// # Errors
    ///
    /// [`StorageError`]. Keys may have been visited already.
    pub async fn all_keys(
        &self,
        user: &UserId,
        version: BackupVersion,
        mut visit: impl FnMut(&PlacedKey<'_>),
    ) -> Result<Option<u32>, StorageError> {
        let mut keys = None;
        self.visit(ALL, &[&user.as_str(), &version.to_column()], |row| {
            let keys = keys.get_or_insert(0);
            if let Some(placed) = PlacedKey::from_row(row) {
                *keys += 1;
                visit(&placed);
            }
        })
        .await?;
        Ok(keys)
    }
}
