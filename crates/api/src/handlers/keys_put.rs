//! `PUT /room_keys/keys[/{roomId}[/{sessionId}]]?version=`: uploads keys into the current version.
//!
//! Specification: `putRoomKeys`, `putRoomKeysByRoomId`, `putRoomKeyBySessionId`. Synapse: `RoomKeysServlet.on_PUT`.
//! Differs from Synapse: the specification's merge rule; one transaction, all or nothing; a malformed key is a 400 that names the
//! field; `current_version` is the current one.

use actix_web::{HttpResponse, web::Bytes};
use key_backup_metrics::Work;
use key_backup_model::{
    BodyError, UploadRow,
    upload::{self, ContentError, Place},
};
use key_backup_storage::{PutOutcome, StorageError};

use super::{Call, room_id, session_id};
use crate::{ApiError, reply, uploads, work::elsewhere};

type Parsed = Result<Result<Vec<UploadRow>, ContentError>, BodyError>;

pub(crate) async fn answer(
    mut call: Call,
    room: Option<String>,
    session: Option<String>,
) -> Result<HttpResponse, ApiError> {
    let user = call.requester().await?.user;
    let place = place(room, session)?;
    let body = call.body().await?;
    let upload = parse(&call, body, &place).await?.map_err(ApiError::Body)?;
    let (asked_for, version) = call.query().version()?;
    let not_found = || ApiError::not_found(format!("Version '{asked_for}' not found"));
    let version = version.ok_or_else(not_found)?;
    // A client has to hear of a wrong version before it hears of a bad key, so nothing is uploaded to find out.
    let (rows, bad_content) = match upload {
        Ok(rows) => (rows, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let keys_in = rows.len() as u64;
    match uploads::put_keys(&call.state, &call.record, &user, version, rows).await? {
        PutOutcome::UnknownVersion => Err(not_found()),
        PutOutcome::NotCurrent { current } => {
            call.state.instance.metrics.operations.refused(keys_in);
            Err(ApiError::WrongVersion(current))
        }
        PutOutcome::Stored { keys, added, replaced } => {
            if let Some(error) = bad_content {
                return Err(ApiError::Upload(error, place));
            }
            call.record.keys_in.set(Some(keys_in));
            call.record.keys_added.set(Some(added));
            call.record.keys_replaced.set(Some(replaced));
            call.state.instance.metrics.operations.upload(keys_in);
            Ok(reply::json(format!(r#"{{"etag":"{}","count":{}}}"#, keys.etag, keys.count)))
        }
    }
}

/// Bytes of a body that take about a millisecond to read: with more, the thread had better serve others meanwhile.
const LARGE: usize = 256 << 10;

/// What is in the body.
async fn parse(call: &Call, body: Bytes, place: &Place) -> Result<Parsed, ApiError> {
    if body.len() <= LARGE {
        return Ok(upload::parse(&body, place));
    }
    let place = place.clone();
    let parse = move || upload::parse(&body, &place);
    let (parsed, cpu) = elsewhere(parse).await.map_err(|_| StorageError::abandoned())?;
    call.record.add_work(&Work { cpu, ..Work::default() });
    Ok(parsed)
}

fn place(room: Option<String>, session: Option<String>) -> Result<Place, ApiError> {
    Ok(match (room, session) {
        (None, _) => Place::Backup,
        (Some(room), None) => Place::Room(room_id(room)?),
        (Some(room), Some(session)) => Place::Session(room_id(room)?, session_id(session)?),
    })
}
