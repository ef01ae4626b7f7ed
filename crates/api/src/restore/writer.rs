//! Keys as the JSON of a restore: `{"rooms": {ROOM: {"sessions": {SESSION: KEY}}}}`, or `{"sessions": ...}` of one room.

use key_backup_storage::PlacedKey;

use super::pieces::Pieces;
use crate::json;

pub(super) const OPEN_ROOMS: &[u8] = b"{\"rooms\":{";
pub(super) const OPEN_ROOM: &[u8] = b":{\"sessions\":{";
pub(super) const OPEN_SESSIONS: &[u8] = b"{\"sessions\":{";
/// Ends what any of the others opens.
pub(super) const CLOSE: &[u8] = b"}}";

/// Bytes that a key takes, unless its ids need escaping, and with its room; rather too many.
pub(super) fn space(placed: &PlacedKey<'_>) -> usize {
    placed.room_id.len() + placed.session_id.len() + placed.key.session_data.len() + 160
}

/// Writes a session and its key.
pub(super) fn session(out: &mut Vec<u8>, placed: &PlacedKey<'_>) {
    json::string(out, placed.session_id);
    out.push(b':');
    json::key(out, &placed.key);
}

/// Writes keys that come in the order of their rooms.
pub(super) struct Writer {
    one_room: bool,
    /// The room whose object is open.
    room: Option<String>,
    any: bool,
}

impl Writer {
    /// For the keys of one room, or of all.
    pub(super) fn new(one_room: bool) -> Self {
        Self { one_room, room: None, any: false }
    }

    pub(super) fn open(&self, out: &mut Pieces) {
        let open = if self.one_room { OPEN_SESSIONS } else { OPEN_ROOMS };
        out.with_space(open.len()).extend_from_slice(open);
    }

    pub(super) fn key(&mut self, out: &mut Vec<u8>, placed: &PlacedKey<'_>) {
        let same_room = self.one_room || self.room.as_deref() == Some(placed.room_id);
        if self.any {
            out.extend_from_slice(if same_room { b"," } else { b"}}," });
        }
        if !same_room {
            json::string(out, placed.room_id);
            out.extend_from_slice(OPEN_ROOM);
            self.room = Some(placed.room_id.to_owned());
        }
        self.any = true;
        session(out, placed);
    }

    pub(super) fn close(&self, out: &mut Pieces) {
        let room_is_open = self.any && !self.one_room;
        let out = out.with_space(2 * CLOSE.len());
        if room_is_open {
            out.extend_from_slice(CLOSE);
        }
        out.extend_from_slice(CLOSE);
    }
}
