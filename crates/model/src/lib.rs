//! The words of a Matrix key backup and the rule that merges its keys; pure, no I/O.
//!
//! [`upload`] turns the body of an upload into sorted rows, [`merge`] says which of two keys a backup
//! keeps, the rest are the values that travel between HTTP, PostgreSQL and Redis.

#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod ids;
mod json;
mod key;
pub mod merge;
pub mod upload;
mod version;

pub use ids::{NulCharacter, RoomId, SessionId, UserId};
pub use json::{BodyError, JsonText, JsonTextError, MAX_DEPTH, fields};
pub use key::{SessionKey, UploadRow};
pub use version::{BackupVersion, Etag, KeyCount, VersionInfo};
