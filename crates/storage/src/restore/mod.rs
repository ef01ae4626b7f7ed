//! Restores: keys of a version, handed to a visitor row by row, so that nobody has to keep rows.
//!
//! Each page is a statement of its own, so that no transaction and no connection is held while a slow client reads.
//! A key is seen as it was when its page was read, and none twice.

mod sql;

use key_backup_model::{BackupVersion, RoomId, UserId};
use tokio_postgres::Row;

use self::sql::{ALL, AT_ONCE, LARGE_PAGES, PAGE_BYTES, PAGES, Pages};
use crate::{Database, StorageError, database::Params, stored_key::StoredKey};

/// Keys of a page at the most: enough to make the cost of a statement disappear, few enough for memory (about 1.7 MB, and never more than
/// 4 MB of `session_data`, see [`sql::PAGES`]).
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

/// What a row of a restore says.
enum Found<'a> {
    /// The version exists, and has no keys.
    Nothing,
    /// A key whose `session_data` was left out.
    Large,
    Key(PlacedKey<'a>),
}

impl<'a> Found<'a> {
    fn in_row(row: &'a Row) -> Self {
        let Some(room_id) = row.get(0) else { return Self::Nothing };
        match StoredKey::from_row_if_whole(row, 2) {
            None => Self::Large,
            Some(key) => Self::Key(PlacedKey { room_id, session_id: row.get(1), key }),
        }
    }
}

/// Where a page ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Position {
    room_id: String,
    session_id: String,
    /// A large key has been met: from there on, pages are read by their bytes.
    large: bool,
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

/// A page on its way.
struct Reading<V> {
    visit: V,
    /// `None` until there is a row, which says that the version exists.
    keys: Option<u32>,
    bytes: usize,
    last: Position,
    met_large: bool,
}

impl<V: FnMut(&PlacedKey<'_>)> Reading<V> {
    fn new(large: bool, visit: V) -> Self {
        let last = Position { large, ..Position::default() };
        Self { visit, keys: None, bytes: 0, last, met_large: false }
    }

    fn row(&mut self, row: &Row) {
        let keys = self.keys.get_or_insert(0);
        if self.met_large {
            return;
        }
        let placed = match Found::in_row(row) {
            Found::Nothing => return,
            Found::Large => {
                self.met_large = true;
                return;
            }
            Found::Key(placed) => placed,
        };
        *keys += 1;
        self.bytes += placed.key.session_data.len();
        placed.room_id.clone_into(&mut self.last.room_id);
        placed.session_id.clone_into(&mut self.last.session_id);
        (self.visit)(&placed);
    }

    fn begins_with_large(&self) -> bool {
        self.met_large && self.keys == Some(0)
    }

    fn page(mut self) -> Option<Page> {
        let keys = self.keys?;
        let is_full = keys == PAGE_SIZE || self.met_large || (self.last.large && self.bytes >= PAGE_BYTES);
        self.last.large |= self.met_large;
        Some(Page { keys, next: is_full.then_some(self.last) })
    }
}

impl Database {
    /// Visits a page of a version's keys, ordered by room and session, of one room or of all: the first page, or the one after a
    /// position. It holds up to 2000 keys and about 4 MB, or one key that is larger. `None` if there is no such version, or it was deleted
    /// meanwhile.
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
        let place = (user, version, room, after);
        if !after.is_some_and(|after| after.large) {
            let mut reading = Reading::new(false, &mut visit);
            self.read_page(&PAGES, place, |row| reading.row(row)).await?;
            if !reading.begins_with_large() {
                return Ok(reading.page());
            }
        }
        let mut reading = Reading::new(true, &mut visit);
        self.read_page(&LARGE_PAGES, place, |row| reading.row(row)).await?;
        Ok(reading.page())
    }

    async fn read_page(
        &self,
        pages: &Pages,
        (user, version, room, after): (&UserId, BackupVersion, Option<&RoomId>, Option<&Position>),
        row: impl FnMut(&Row),
    ) -> Result<(), StorageError> {
        let (user, version, limit) = (user.as_str(), version.to_column(), i64::from(PAGE_SIZE));
        match (room.map(RoomId::as_str), after) {
            (None, None) => self.visit(pages.first, &[&user, &version, &limit], row).await,
            (None, Some(after)) => {
                let params: Params<'_> = &[&user, &version, &limit, &after.room_id, &after.session_id];
                self.visit(pages.next, params, row).await
            }
            (Some(room), None) => {
                self.visit(pages.first_of_room, &[&user, &version, &limit, &room], row).await
            }
            (Some(room), Some(after)) => {
                let params: Params<'_> = &[&user, &version, &limit, &room, &after.session_id];
                self.visit(pages.next_of_room, params, row).await
            }
        }
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
            match Found::in_row(row) {
                Found::Nothing => {}
                Found::Key(placed) if visited.keys < AT_ONCE => {
                    visited.keys += 1;
                    visit(&placed);
                }
                Found::Key(_) | Found::Large => visited.all = false,
            }
        })
        .await?;
        Ok(visited)
    }
}
