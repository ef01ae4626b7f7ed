//! `PUT /room_keys/version/{version}`: replaces the `auth_data` of a version.
//!
//! Specification: `putRoomKeysVersion`. Synapse: `RoomKeysVersionServlet.on_PUT`: a `version` in the body has to be that of the path, which is
//! checked before the version is looked up; the algorithm has to be the stored one; without `auth_data` nothing changes.

use std::collections::HashMap;

use actix_web::HttpResponse;
use key_backup_model::{BackupVersion, JsonText, fields};
use key_backup_storage::UpdateOutcome;
use serde_json::value::RawValue;

use super::{Call, unknown_version};
use crate::{ApiError, reply};

/// `asked_for` is the version in the path, decoded.
pub(crate) async fn answer(mut call: Call, asked_for: &str) -> Result<HttpResponse, ApiError> {
    let user = call.requester().await?.user;
    let body = call.body().await?;
    let fields = fields(&body).map_err(ApiError::Body)?;
    if fields.get("version").is_some_and(|version| text(version).as_deref() != Some(asked_for)) {
        return Err(ApiError::Invalid("Version in body does not match".into()));
    }
    let version = BackupVersion::parse(asked_for).ok_or_else(unknown_version)?;
    let algorithm = algorithm(&fields)?;
    let auth_data = auth_data(&fields)?;
    match call.state.database.update_version(&user, version, &algorithm, auth_data.as_ref()).await? {
        UpdateOutcome::Updated => Ok(reply::json("{}")),
        UpdateOutcome::OtherAlgorithm => Err(ApiError::Invalid("Algorithm does not match".into())),
        UpdateOutcome::UnknownVersion => Err(unknown_version()),
    }
}

/// The field `algorithm`: a string that PostgreSQL can store.
pub(super) fn algorithm(fields: &HashMap<String, &RawValue>) -> Result<String, ApiError> {
    let value = fields.get("algorithm").ok_or(ApiError::MissingField("algorithm"))?;
    let algorithm = text(value).filter(|text| !text.contains('\0'));
    algorithm.ok_or(ApiError::Invalid("algorithm must be a string without U+0000".into()))
}

/// The field `auth_data`, if there is one: JSON that Synapse can read again.
pub(super) fn auth_data(fields: &HashMap<String, &RawValue>) -> Result<Option<JsonText>, ApiError> {
    let value = fields.get("auth_data").map(|value| JsonText::new(value.get()));
    value
        .transpose()
        .map_err(|error| ApiError::Invalid(format!("auth_data cannot be stored: {error}").into()))
}

fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}
