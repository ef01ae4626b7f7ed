//! A restore in memory: keys come in any order and are sorted into rooms.

use std::{collections::HashMap, mem, pin::pin};

use actix_web::{HttpResponse, web::Bytes};
use key_backup_storage::PlacedKey;

use super::{Restore, pieces::Pieces, writer};
use crate::{ApiError, handlers::unknown_version, json, limits::Memory, work::in_block};

/// What a room takes besides its pieces and twice its name, in bytes.
const ROOM: usize = 256;

/// Reads all keys and answers with them. The memory is held until the client has them.
///
/// `None` if they are more than was known, or too large for the memory that is left: nothing of them is kept.
pub(super) async fn answer(restore: &Restore, memory: Memory) -> Result<Option<HttpResponse>, ApiError> {
    let mut grouped = Some(Grouped::new(memory));
    let database = &restore.state.database;
    let _turn = restore.turn().await?;
    let visited = database.all_keys(&restore.user, restore.version, |placed| {
        // What does not fit is dropped at once, and not when the last row has come.
        grouped.take_if(|grouped| !grouped.add(placed));
    });
    let visited = in_block(&restore.state.instance.metrics.blocks.restore_page, pin!(visited)).await?;
    let visited = visited.ok_or_else(unknown_version)?;
    let Some(grouped) = grouped.filter(|_| visited.all) else { return Ok(None) };
    restore.count(visited.keys);
    let (chunks, memory) = grouped.into_chunks();
    Ok(Some(restore.whole(chunks, memory)))
}

/// The rooms, each as it will be sent, in the order in which they were met.
struct Grouped {
    places: HashMap<Box<str>, usize>,
    rooms: Vec<Room>,
    /// Keys of one room often come one after another.
    last: Option<(Box<str>, usize)>,
    memory: Memory,
    /// What all this takes of the memory, in bytes.
    taken: usize,
}

#[derive(Default)]
struct Room {
    pieces: Pieces,
    any: bool,
}

impl Grouped {
    fn new(memory: Memory) -> Self {
        Self { places: HashMap::new(), rooms: Vec::new(), last: None, memory, taken: 0 }
    }

    /// Whether there is still memory for it all.
    fn add(&mut self, placed: &PlacedKey<'_>) -> bool {
        let place = self.place(placed.room_id);
        let room = &mut self.rooms[place];
        let before = room.pieces.taken();
        let out = room.pieces.with_space(writer::space(placed));
        if mem::replace(&mut room.any, true) {
            out.push(b',');
        }
        writer::session(out, placed);
        self.taken += room.pieces.taken() - before;
        self.memory.holds(self.taken)
    }

    fn place(&mut self, room_id: &str) -> usize {
        if let Some((last, place)) = &self.last
            && **last == *room_id
        {
            return *place;
        }
        let place = self.places.get(room_id).copied().unwrap_or_else(|| self.open(room_id));
        self.last = Some((room_id.into(), place));
        place
    }

    fn open(&mut self, room_id: &str) -> usize {
        let place = self.rooms.len();
        let mut room = Room::default();
        let out = room.pieces.with_space(room_id.len() + 32);
        if place > 0 {
            out.push(b',');
        }
        json::string(out, room_id);
        out.extend_from_slice(writer::OPEN_ROOM);
        self.taken += room.pieces.taken() + 2 * room_id.len() + ROOM;
        self.rooms.push(room);
        self.places.insert(room_id.into(), place);
        place
    }

    fn into_chunks(self) -> (Vec<Bytes>, Memory) {
        let mut chunks = vec![Bytes::from_static(writer::OPEN_ROOMS)];
        for Room { mut pieces, .. } in self.rooms {
            pieces.with_space(writer::CLOSE.len()).extend_from_slice(writer::CLOSE);
            chunks.append(&mut pieces.into_chunks());
        }
        chunks.push(Bytes::from_static(writer::CLOSE));
        (chunks, self.memory)
    }
}
