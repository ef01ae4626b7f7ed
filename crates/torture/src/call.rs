//! What clients asked for, when, and what they were answered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Backup;

/// A session in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The number of the room.
    pub room: u8,
    /// The number of the session in it.
    pub session: u8,
}

/// A key, which is all that decides between two of them: the lower is the better one, as in the specification.
///
/// Keys that are made for an upload have a `forwarded_count` that no other has. So two that are equal are the same key sent twice, and
/// whatever is read tells which upload wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The opposite of `is_verified`.
    pub unverified: bool,
    /// As in the specification.
    pub first_message_index: i32,
    /// As in the specification.
    pub forwarded_count: i32,
}

/// The keys of a version, or of an upload to it.
pub type Keys = BTreeMap<Place, Key>;

/// The number of a version.
pub type Version = u64;

/// What a client asks for.
#[expect(missing_docs, reason = "the fields are called what the specification calls them")]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Operation {
    /// `POST /room_keys/version`. The `auth_data` is a number that no other call sends.
    CreateVersion { auth_data: u64 },
    /// `DELETE /room_keys/version/{version}`.
    DeleteVersion { version: Version },
    /// `PUT /room_keys/version/{version}`.
    UpdateAuthData { version: Version, auth_data: u64 },
    /// `GET /room_keys/version`, with or without a number.
    ReadVersion { version: Option<Version> },
    /// `PUT /room_keys/keys`.
    Upload { version: Version, keys: Keys },
    /// `DELETE /room_keys/keys`, of all, of a room, or of one session.
    DeleteKeys { version: Version, selection: Selection },
    /// `GET /room_keys/keys/{room}/{session}`.
    ReadKey { version: Version, place: Place },
    /// `GET /room_keys/keys`.
    Restore { version: Version },
    /// Not a client's: a look into the database, at all that there is of the user.
    Observe,
}

/// Which keys of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Selection {
    /// All.
    All,
    /// Those of a room.
    Room(u8),
    /// One.
    Session(Place),
}

/// What was answered.
#[expect(missing_docs, reason = "the fields are called what the specification calls them")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// To [`Operation::CreateVersion`].
    Created { version: Version },
    /// `{}`.
    Done,
    /// To uploads and deletions of keys.
    Changed { etag: u64, count: u64 },
    /// To [`Operation::ReadVersion`].
    Version { version: Version, etag: u64, count: u64, auth_data: u64 },
    /// To [`Operation::ReadKey`].
    Key(Key),
    /// To [`Operation::Restore`].
    Keys(Keys),
    /// 403: an upload to a version that is not the current one.
    WrongVersion { current: Version },
    /// 404: no such version, or no such key.
    NotFound,
    /// To [`Operation::Observe`].
    Everything(Backup),
}

/// One operation of one client, with its times in nanoseconds of one monotonic clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Who asked.
    pub client: usize,
    /// The worker that was asked.
    pub worker: usize,
    /// What was asked for.
    pub operation: Operation,
    /// Before anything was sent.
    pub began: u64,
    /// `None` where it is unknown what has happened: no answer, or a 5xx.
    pub answered: Option<Answered>,
}

/// An answer and when it had arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// After the last byte of the answer.
    pub at: u64,
    /// What it said.
    pub answer: Answer,
}

impl Operation {
    /// Whether it can change anything.
    pub fn is_change(&self) -> bool {
        !matches!(
            self,
            Self::ReadVersion { .. } | Self::ReadKey { .. } | Self::Restore { .. } | Self::Observe
        )
    }
}

impl Selection {
    /// Whether it includes a place.
    pub fn includes(self, place: Place) -> bool {
        match self {
            Self::All => true,
            Self::Room(room) => place.room == room,
            Self::Session(session) => place == session,
        }
    }
}
