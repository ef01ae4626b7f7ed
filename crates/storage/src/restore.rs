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
    /// `None` for the row of a version without keys, and for a key whose `session_data` was left out.
    fn from_row(row: &'a Row) -> Option<Self> {
        let (room_id, key): (Option<&str>, _) = (row.get(0), StoredKey::from_row_if_whole(row, 2)?);
        Some(Self { room_id: room_id?, session_id: row.get(1), key })
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

/// What was visited at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visited {
    /// How many keys.
    pub keys: u32,
    /// Whether they are all that the version has.
    pub all: bool,
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

/// What [`Database::all_keys`] visits at the most.
const AT_ONCE: u32 = 12_288;

/// In the order in which the table has them, which costs PostgreSQL half of what the order of an index does. The limit, one more than
/// [`AT_ONCE`], is no parameter: PostgreSQL would take one that it does not know for a reason to prefer the index.
const ALL: Query = Query {
    desc: "get_e2e_room_keys",
    verb: "SELECT",
    sql: "SELECT k.room_id, k.session_id, k.first_message_index, k.forwarded_count, k.is_verified,
                 CASE WHEN octet_length(k.session_data) <= 2048 THEN k.session_data END
            FROM e2e_room_keys_versions v
            LEFT JOIN e2e_room_keys k ON k.user_id = v.user_id AND k.version = v.version
           WHERE v.user_id = $1 AND v.version = $2 AND v.deleted = 0
           LIMIT 12289",
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

    /// Visits the keys of a version in any order, if they are no more than 12,288, and none has more than 2 KiB of `session_data`: else
    /// only some of them, so that little is read in vain. `None` if there is no such version.
    ///
    /// # Errors
    ///
    /// [`StorageError`]. Keys may have been visited already.
    pub async fn all_keys(
        &self,
        user: &UserId,
        version: BackupVersion,
        mut visit: impl FnMut(&PlacedKey<'_>),
    ) -> Result<Option<Visited>, StorageError> {
        let mut visited = None;
        self.visit(ALL, &[&user.as_str(), &version.to_column()], |row| {
            let visited = visited.get_or_insert(Visited { keys: 0, all: true });
            if row.get::<_, Option<&str>>(0).is_none() {
                return;
            }
            match PlacedKey::from_row(row) {
                Some(placed) if visited.keys < AT_ONCE => {
                    visited.keys += 1;
                    visit(&placed);
                }
                _ => visited.all = false,
            }
        })
        .await?;
        Ok(visited)
    }
}
