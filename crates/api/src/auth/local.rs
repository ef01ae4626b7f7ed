//! Tokens that Synapse itself has issued, in its table `access_tokens`.

use std::time::{SystemTime, UNIX_EPOCH};

use key_backup_cache::{LookUp, Seen};
use key_backup_storage::{StorageError, TokenOwner};

use super::Requester;
use crate::{ApiError, AppState, client::Client};

/// The owner of a token, after Synapse's checks in Synapse's order: known, not expired, not locked; then the owner counts as seen;
/// no guest.
pub(super) async fn requester(state: &AppState, token: &str, client: &Client) -> Result<Requester, ApiError> {
    let owner = owner(state, token).await?.ok_or(ApiError::UnknownToken)?;
    let now_ms = now_ms();
    if owner.valid_until_ms.is_some_and(|end| end < now_ms) {
        return Err(ApiError::ExpiredToken);
    }
    if owner.locked {
        return Err(ApiError::UserLocked);
    }
    note(state, token, &owner, client, now_ms);
    if owner.is_guest {
        return Err(ApiError::GuestAccess);
    }
    let puppeteer = Some(owner.authenticated).filter(|authenticated| *authenticated != owner.user_id);
    Ok(Requester { user: owner.user_id, puppeteer })
}

/// Remembered, or looked up. An unknown token is never remembered: it may be issued the next moment.
async fn owner(state: &AppState, token: &str) -> Result<Option<TokenOwner>, StorageError> {
    let tokens = state.instance.synapse.as_ref().map(|synapse| &synapse.tokens);
    let ticket = match tokens.map(|tokens| tokens.get(token)) {
        Some(LookUp::Hit(owner)) => return Ok(Some(owner)),
        Some(LookUp::Miss(ticket)) => Some(ticket),
        None => None,
    };
    let Some(owner) = state.database.token_owner(token).await? else { return Ok(None) };
    let is_valid = owner.valid_until_ms.is_none_or(|end| end >= now_ms());
    if !owner.used && is_valid {
        state.database.mark_token_used(owner.token_id).await?;
    }
    if let Some((tokens, ticket)) = tokens.zip(ticket) {
        let users = vec![owner.user_id.clone(), owner.authenticated.clone()];
        tokens.insert(ticket, token, users, owner.clone());
    }
    Ok(Some(owner))
}

/// Synapse records who logged in, and where it is told to also the user whom that admin puppets.
fn note(state: &AppState, token: &str, owner: &TokenOwner, client: &Client, now_ms: i64) {
    let Some(synapse) = &state.instance.synapse else { return };
    let seen = Seen {
        user: &owner.authenticated,
        access_token: token,
        ip: &client.ip,
        user_agent: &client.user_agent,
        device_id: owner.device_id.as_deref(),
        now_ms,
    };
    synapse.user_ips.note(&seen);
    if owner.user_id != owner.authenticated && synapse.track_puppeted_user_ips {
        synapse.user_ips.note(&Seen { user: &owner.user_id, ..seen });
    }
}

/// Milliseconds since 1970, as Synapse's tables count time.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
