//! `GET /room_keys/version[/{version}]`: tells of the current version, or of one by its number.
//!
//! Specification: `getRoomKeysVersionCurrent`, `getRoomKeysVersion`. Synapse: `RoomKeysNewVersionServlet.on_GET`,
//! `RoomKeysVersionServlet.on_GET`.

use actix_web::HttpResponse;
use key_backup_model::{BackupVersion, VersionInfo};

use super::Call;
use crate::{ApiError, json, reply};

/// `asked_for` is the version in the path, decoded; `None` asks for the current one.
pub(crate) async fn answer(call: Call, asked_for: Option<&str>) -> Result<HttpResponse, ApiError> {
    let user = call.requester().await?.user;
    let not_found = || ApiError::not_found("No backup found");
    let version = match asked_for {
        Some(text) => Some(BackupVersion::parse(text).ok_or_else(not_found)?),
        None => None,
    };
    let info = call.state.version(&user, version).await?;
    Ok(reply::json(body(&info.ok_or_else(not_found)?)))
}

fn body(info: &VersionInfo) -> Vec<u8> {
    let VersionInfo { keys, algorithm, auth_data } = info;
    let mut body = Vec::with_capacity(auth_data.as_str().len() + algorithm.len() + 96);
    body.extend_from_slice(b"{\"algorithm\":");
    json::string(&mut body, algorithm);
    body.extend_from_slice(b",\"auth_data\":");
    body.extend_from_slice(auth_data.as_str().as_bytes());
    let rest = format!(r#","count":{},"etag":"{}","version":"{}"}}"#, keys.count, keys.etag, keys.version);
    body.extend_from_slice(rest.as_bytes());
    body
}
