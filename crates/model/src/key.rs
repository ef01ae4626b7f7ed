//! One backed-up key and its place in a backup.

use crate::{JsonText, RoomId, SessionId};

/// One Megolm session of a backup, as a client uploads it
/// (`KeyBackupData` in the specification).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionKey {
    /// The first message that the session can decrypt; any 32-bit integer, as in Synapse's column.
    pub first_message_index: i32,
    /// How often the key was forwarded; any 32-bit integer.
    pub forwarded_count: i32,
    /// Whether the uploading device had verified the device that the key came from.
    pub is_verified: bool,
    /// The encrypted session, opaque to the server.
    pub session_data: JsonText,
}

/// A key and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadRow {
    /// Its room.
    pub room_id: RoomId,
    /// Its session in that room.
    pub session_id: SessionId,
    /// The key.
    pub key: SessionKey,
}

impl UploadRow {
    /// What tells it apart in a backup, and the order in which all instances lock rows.
    pub fn place(&self) -> (&RoomId, &SessionId) {
        (&self.room_id, &self.session_id)
    }
}
