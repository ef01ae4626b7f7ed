//! `GET /room_keys/keys[/{roomId}[/{sessionId}]]?version=`: restores keys from any version that is not deleted.
//!
//! Specification: `getRoomKeys`, `getRoomKeysByRoomId`, `getRoomKeyBySessionId`. Synapse: `RoomKeysServlet.on_GET`. An empty backup or
//! room is an empty object; only a single session that is not there is a 404.

use actix_web::HttpResponse;
use key_backup_model::{BackupVersion, RoomId, SessionId, UserId};
use key_backup_storage::GetOutcome;

use super::{Call, room_id, session_id, unknown_version};
use crate::{ApiError, json, reply, restore};

pub(crate) async fn answer(
    call: Call,
    room: Option<String>,
    session: Option<String>,
) -> Result<HttpResponse, ApiError> {
    let user = call.requester().await?.user;
    let version = call.version()?;
    match (room, session) {
        (None, _) => restore::answer(call, user, version, None).await,
        (Some(room), None) => restore::answer(call, user, version, Some(room_id(room)?)).await,
        (Some(room), Some(session)) => {
            one_key(&call, &user, version, &room_id(room)?, &session_id(session)?).await
        }
    }
}

async fn one_key(
    call: &Call,
    user: &UserId,
    version: BackupVersion,
    room: &RoomId,
    session: &SessionId,
) -> Result<HttpResponse, ApiError> {
    match call.state.database.key(user, version, room, session).await? {
        GetOutcome::UnknownVersion => Err(unknown_version()),
        GetOutcome::NoSuchKey => Err(ApiError::not_found("No room_keys found")),
        GetOutcome::Found(found) => {
            let key = found.key();
            let mut body = Vec::with_capacity(key.session_data.len() + 128);
            json::key(&mut body, &key);
            call.record.add_rows_out(1);
            call.state.instance.metrics.operations.restored(1);
            Ok(reply::json(body))
        }
    }
}
