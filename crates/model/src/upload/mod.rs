//! The body of an upload in its three shapes, read in one pass into rows sorted by room and session.
//!
//! A body is read the way Synapse reads it: fields that mean nothing here are skipped, and of names that
//! occur twice only the last counts, so that nothing before it can be wrong. Unlike Synapse, which fails
//! with a 500 and may store half of it, a body with a bad entry is refused as a whole.

mod content_error;
mod read;

use std::borrow::Cow;

pub use content_error::{ContentError, Problem};

use crate::{BodyError, RoomId, SessionId, SessionKey, UploadRow, json};
use content_error::Checked;
use read::{Key, Named, Only};

/// Where the path of the request points, and with that the shape of its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `/room_keys/keys`: `{"rooms": {ROOM: {"sessions": {SESSION: KEY}}}}`.
    Backup,
    /// `/room_keys/keys/ROOM`: `{"sessions": {SESSION: KEY}}`.
    Room(RoomId),
    /// `/room_keys/keys/ROOM/SESSION`: `KEY`.
    Session(RoomId, SessionId),
}

/// Reads the body of an upload.
///
/// The rows come sorted by (room, session), each pair once: the order in which all instances lock rows.
///
/// # Errors
///
/// The outer error is for a body that is not an object. The inner one is for what is in it: clients expect to
/// hear of a wrong backup version first, so the caller looks at that before it reports a [`ContentError`].
pub fn parse(body: &[u8], place: &Place) -> Result<Result<Vec<UploadRow>, ContentError>, BodyError> {
    let text = json::object_text(body)?;
    let rows = match place {
        Place::Backup => read::whole(text, Only("rooms", Named(Only("sessions", Named(Key)))))
            .map(|rooms| backup_rows(rooms?)),
        Place::Room(room) => {
            read::whole(text, Only("sessions", Named(Key))).map(|sessions| room_rows(room, sessions?))
        }
        Place::Session(room, session) => {
            read::whole(text, Key).map(|key| Ok(vec![row(room.clone(), session.clone(), key?)]))
        }
    };
    match rows {
        Ok(rows) => Ok(rows),
        // What serde cannot read may still be JSON to Synapse: a lone surrogate in a name, for one.
        Err(_) if json::is_valid(text) => Ok(Err(ContentError::new(Problem::Unreadable))),
        Err(_) => Err(BodyError::NotJson),
    }
}

type Sessions<'a> = Vec<(Cow<'a, str>, SessionKey)>;

fn backup_rows(rooms: Vec<(Cow<'_, str>, Sessions<'_>)>) -> Checked<Vec<UploadRow>> {
    let mut rows = Vec::with_capacity(rooms.iter().map(|(_, sessions)| sessions.len()).sum());
    for (name, sessions) in rooms {
        let room = RoomId::new(&name).map_err(|_| ContentError::new(Problem::NulInName).within("rooms"))?;
        rows.extend(room_rows(&room, sessions).map_err(|error| error.within(&name).within("rooms"))?);
    }
    Ok(rows)
}

fn room_rows(room: &RoomId, sessions: Sessions<'_>) -> Checked<Vec<UploadRow>> {
    let to_row = |(name, key): (Cow<'_, str>, SessionKey)| {
        let session = SessionId::new(name);
        let session = session.map_err(|_| ContentError::new(Problem::NulInName).within("sessions"))?;
        Ok(row(room.clone(), session, key))
    };
    sessions.into_iter().map(to_row).collect()
}

fn row(room_id: RoomId, session_id: SessionId, key: SessionKey) -> UploadRow {
    UploadRow { room_id, session_id, key }
}

#[cfg(test)]
mod tests;
