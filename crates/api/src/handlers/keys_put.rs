//! `PUT /room_keys/keys[/{roomId}[/{sessionId}]]?version=`: uploads keys into the current version.
//!
//! Specification: `putRoomKeys`, `putRoomKeysByRoomId`, `putRoomKeyBySessionId`. Synapse: `RoomKeysServlet.on_PUT`.
//! Differs from Synapse: the specification's merge rule; one transaction, all or nothing; a malformed key is a 400 that names the
//! field; `current_version` is the current one.

use actix_web::HttpResponse;
use key_backup_metrics::Uploaded;
use key_backup_model::upload::{self, Place};
use key_backup_storage::PutOutcome;

use super::{Call, room_id, session_id};
use crate::{ApiError, reply};

pub(crate) async fn answer(
    mut call: Call,
    room: Option<String>,
    session: Option<String>,
) -> Result<HttpResponse, ApiError> {
    let user = call.requester().await?.user;
    let place = place(room, session)?;
    let body = call.body().await?;
    let upload = upload::parse(&body, &place).map_err(ApiError::Body)?;
    let (asked_for, version) = call.query().version()?;
    let not_found = || ApiError::not_found(format!("Version '{asked_for}' not found"));
    let version = version.ok_or_else(not_found)?;
    // A client has to hear of a wrong version before it hears of a bad key, so nothing is uploaded to find out.
    let (rows, bad_content) = match upload {
        Ok(rows) => (rows, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    match call.state.put_keys(&user, version, &rows).await? {
        PutOutcome::UnknownVersion => Err(not_found()),
        PutOutcome::NotCurrent { current } => {
            call.state.instance.metrics.operations.refused(rows.len());
            Err(ApiError::WrongVersion(current))
        }
        PutOutcome::Stored { keys, added, replaced } => {
            if let Some(error) = bad_content {
                return Err(ApiError::Upload(error, place));
            }
            call.record.keys_in.set(Some(rows.len() as u64));
            call.record.keys_added.set(Some(added));
            call.record.keys_replaced.set(Some(replaced));
            let uploaded = Uploaded { keys: rows.len() as u64, added, replaced };
            call.state.instance.metrics.operations.uploaded(uploaded);
            Ok(reply::json(format!(r#"{{"etag":"{}","count":{}}}"#, keys.etag, keys.count)))
        }
    }
}

fn place(room: Option<String>, session: Option<String>) -> Result<Place, ApiError> {
    Ok(match (room, session) {
        (None, _) => Place::Backup,
        (Some(room), None) => Place::Room(room_id(room)?),
        (Some(room), Some(session)) => Place::Session(room_id(room)?, session_id(session)?),
    })
}
