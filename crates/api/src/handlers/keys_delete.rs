//! `DELETE /room_keys/keys[/{roomId}[/{sessionId}]]?version=`: deletes keys of any version that is not deleted.
//!
//! Specification: `deleteRoomKeys`, `deleteRoomKeysByRoomId`, `deleteRoomKeyBySessionId`. Synapse: `RoomKeysServlet.on_DELETE`, which
//! raises the etag even where nothing was there to delete; so does this.

use actix_web::HttpResponse;
use key_backup_storage::Selection;

use super::{Call, room_id, session_id, unknown_version};
use crate::{ApiError, reply};

pub(crate) async fn answer(
    call: Call,
    room: Option<String>,
    session: Option<String>,
) -> Result<HttpResponse, ApiError> {
    let user = call.requester().await?.user;
    let version = call.version()?;
    let selection = match (room, session) {
        (None, _) => Selection::All,
        (Some(room), None) => Selection::Room(room_id(room)?),
        (Some(room), Some(session)) => Selection::Session(room_id(room)?, session_id(session)?),
    };
    let deleted = call.state.delete_keys(&user, version, &selection).await?;
    let deleted = deleted.ok_or_else(unknown_version)?;
    call.record.keys_deleted.set(Some(deleted.deleted));
    call.state.instance.metrics.operations.deleted(deleted.deleted);
    Ok(reply::json(format!(r#"{{"etag":"{}","count":{}}}"#, deleted.keys.etag, deleted.keys.count)))
}
