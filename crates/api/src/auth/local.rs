//! Tokens that Synapse itself has issued, in its table `access_tokens`.

use key_backup_cache::{LookUp, Seen};
use key_backup_model::UserId;
use key_backup_storage::{StorageError, TokenOwner};

use super::{Owner, Requester, now_ms};
use crate::{ApiError, AppState, client::Client};

/// All guests share it.
const GUEST_DEVICE: &str = "guest_device";

/// The owner of a token, after Synapse's checks in Synapse's order: known, not expired, not locked; then the owner counts as seen;
/// no guest.
pub(super) async fn requester(state: &AppState, token: &str, client: &Client) -> Result<Requester, ApiError> {
    let now_ms = now_ms();
    let Some(owner) = owner(state, token).await? else {
        return Err(stranger(state, token, client, now_ms).await?);
    };
    if owner.valid_until_ms.is_some_and(|end| end < now_ms) {
        return Err(ApiError::ExpiredToken);
    }
    if owner.locked {
        return Err(ApiError::UserLocked);
    }
    if state.instance.auth.account_validity && owner.expiration_ts_ms.is_some_and(|end| end <= now_ms) {
        return Err(ApiError::UserExpired);
    }
    note(state, token, &owner, client, now_ms);
    if owner.is_guest {
        return Err(ApiError::GuestAccess);
    }
    let puppeteer = Some(owner.authenticated).filter(|authenticated| *authenticated != owner.user_id);
    Ok(Requester { user: owner.user_id, puppeteer, is_exempt: false })
}

/// Why somebody whose token is not in the table may not enter: even a guest has no backup.
async fn stranger(
    state: &AppState,
    token: &str,
    client: &Client,
    now_ms: i64,
) -> Result<ApiError, StorageError> {
    let guests = state.instance.auth.guests.as_ref();
    let Some(guest) =
        guests.and_then(|guests| guests.user(token, now_ms)).and_then(|user| UserId::new(user).ok())
    else {
        return Ok(ApiError::UnknownToken);
    };
    let known = state.database.user(&guest, None).await?;
    if !known.is_registered {
        return Ok(ApiError::InvalidToken(format!("Unknown user_id {guest}")));
    }
    if !known.is_guest {
        return Ok(ApiError::InvalidToken("Guest access token used for regular user".to_owned()));
    }
    if let Some(synapse) = &state.instance.synapse {
        let device_id = Some(GUEST_DEVICE);
        let Client { ip, user_agent } = client;
        synapse.user_ips.note(&Seen { user: &guest, access_token: token, ip, user_agent, device_id, now_ms });
    }
    Ok(ApiError::GuestAccess)
}

/// Remembered, or looked up. An unknown token is never remembered: it may be issued the next moment.
async fn owner(state: &AppState, token: &str) -> Result<Option<TokenOwner>, StorageError> {
    let tokens = state.instance.synapse.as_ref().map(|synapse| &synapse.tokens);
    let ticket = match tokens.map(|tokens| tokens.get(token)) {
        Some(LookUp::Hit(Owner::Local(owner))) => return Ok(Some(owner)),
        Some(LookUp::Miss(ticket)) => Some(ticket),
        Some(LookUp::Hit(Owner::Delegated { .. })) | None => None,
    };
    let Some(owner) = state.database.token_owner(token).await? else { return Ok(None) };
    let is_valid = owner.valid_until_ms.is_none_or(|end| end >= now_ms());
    if !owner.used && is_valid {
        state.database.mark_token_used(owner.token_id).await?;
    }
    if let Some((tokens, ticket)) = tokens.zip(ticket) {
        let users = vec![owner.user_id.clone(), owner.authenticated.clone()];
        tokens.insert(ticket, token, users, Owner::Local(owner.clone()));
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
