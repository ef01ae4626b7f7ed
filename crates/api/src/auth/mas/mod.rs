//! Tokens of the Matrix Authentication Service (MAS). They stand in no table: MAS is asked about each, as Synapse asks it.
//!
//! What MAS has said is remembered for two minutes, in which it may take a token back without a word. But then it
//! has Synapse delete the device of that token. So each request looks for the device in Synapse's tables, unless the worker
//! hears Synapse and would know if the device were gone.

mod client;
mod diagnose;
mod error;
mod failures;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod introspection;
mod introspections;

use std::sync::Arc;

use key_backup_cache::{LookUp, Seen};
use key_backup_model::UserId;

use super::{Owner, Requester, now_ms};
use crate::{ApiError, AppState, client::Client};

pub(super) use self::introspection::Introspection;
pub use self::{
    client::{MasSettings, MasSetupError},
    error::{IntrospectionError, MasError},
    introspections::Mas,
};

/// The owner of a token, after Synapse's checks in Synapse's order: MAS vouches for it, it is good for the Matrix API, the user exists, the
/// device exists. Locks, guests and account validity are left to MAS.
pub(super) async fn requester(
    state: &AppState,
    introspection: &Introspection,
    token: &str,
    client: &Client,
) -> Result<Requester, ApiError> {
    let confirmed = confirm(state, token, introspection).await;
    if let (Err(ApiError::Mas(_)), Some(mas)) = (&confirmed, &state.instance.auth.mas) {
        mas.forget(token).await;
    }
    let user = confirmed?;
    if let Some(synapse) = &state.instance.synapse {
        let device_id = introspection.device_id.as_ref().ok().and_then(Option::as_deref);
        let Client { ip, user_agent } = client;
        let now_ms = now_ms();
        synapse.user_ips.note(&Seen { user: &user, access_token: token, ip, user_agent, device_id, now_ms });
    }
    Ok(Requester { user, puppeteer: None, is_exempt: false })
}

/// The user, if Synapse's tables have one of this name, with this device.
async fn confirm(state: &AppState, token: &str, introspection: &Introspection) -> Result<UserId, ApiError> {
    let user = format!("@{}:{}", introspection.username, state.instance.settings.server_name);
    let user = UserId::new(user).map_err(|_| MasError::NO_USER)?;
    let device_id = introspection.device_id.as_ref().map(Option::as_deref);
    let owner = device_id
        .map(|device_id| Owner::Delegated { user: user.clone(), device_id: device_id.map(str::to_owned) });
    let tokens = state.instance.synapse.as_ref().map(|synapse| &synapse.tokens);
    let ticket = match tokens.map(|tokens| tokens.get(token)) {
        Some(LookUp::Hit(known)) if owner.as_ref() == Ok(&known) => return Ok(user),
        Some(LookUp::Miss(ticket)) => Some(ticket),
        Some(LookUp::Hit(_)) | None => None,
    };
    let found = state.database.user(&user, device_id.ok().flatten()).await?;
    if !found.is_registered {
        return Err(MasError::NO_USER.into());
    }
    let owner = owner.map_err(|text| MasError::Unfit(text))?;
    if device_id.is_ok_and(|device_id| device_id.is_some()) && !found.has_device {
        return Err(MasError::NOT_ACTIVE.into());
    }
    if let Some((tokens, ticket)) = tokens.zip(ticket) {
        tokens.insert(ticket, token, vec![user.clone()], owner);
    }
    Ok(user)
}

impl From<MasError> for ApiError {
    fn from(error: MasError) -> Self {
        Self::Mas(Arc::new(error))
    }
}
