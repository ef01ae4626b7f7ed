//! `POST /room_keys/version`: begins a new version, which is then the current one.
//!
//! Specification: `postRoomKeysVersion`. Synapse: `RoomKeysNewVersionServlet.on_POST`. Any algorithm is taken, and `auth_data` of any type:
//! Synapse's own tests store strings.

use actix_web::HttpResponse;
use key_backup_model::fields;

use super::{
    Call,
    version_put::{algorithm, auth_data},
};
use crate::{ApiError, reply};

pub(crate) async fn answer(mut call: Call) -> Result<HttpResponse, ApiError> {
    let user = call.requester().await?.user;
    let body = call.body().await?;
    let fields = fields(&body).map_err(ApiError::Body)?;
    let algorithm = algorithm(&fields)?;
    let auth_data = auth_data(&fields)?.ok_or(ApiError::MissingField("auth_data"))?;
    let version = call.state.database.create_version(&user, &algorithm, &auth_data).await?;
    // The numbers begin anew where an account was deactivated: nothing that is remembered may look like this version's.
    call.state.counts.forget(&user).await;
    Ok(reply::json(format!(r#"{{"version":"{version}"}}"#)))
}
