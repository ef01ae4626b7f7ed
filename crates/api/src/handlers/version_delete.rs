//! `DELETE /room_keys/version/{version}`: deletes a version and its keys; the one before it becomes the current one.
//!
//! Specification: `deleteRoomKeysVersion`. Synapse: `RoomKeysVersionServlet.on_DELETE`. Deleting again what was deleted succeeds.

use actix_web::HttpResponse;
use key_backup_model::BackupVersion;

use super::{Call, unknown_version};
use crate::{ApiError, reply};

/// `asked_for` is the version in the path, decoded.
pub(crate) async fn answer(call: Call, asked_for: &str) -> Result<HttpResponse, ApiError> {
    let user = call.requester().await?.user;
    let version = BackupVersion::parse(asked_for).ok_or_else(unknown_version)?;
    if call.state.database.delete_version(&user, version).await? {
        Ok(reply::json("{}"))
    } else {
        Err(unknown_version())
    }
}
