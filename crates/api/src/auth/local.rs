//! Tokens that Synapse itself has issued, in its table `access_tokens`.

use std::time::{SystemTime, UNIX_EPOCH};

use super::Requester;
use crate::{ApiError, AppState};

/// The owner of a token, after Synapse's checks in Synapse's order: known, not expired, not locked, no guest.
pub(super) async fn requester(state: &AppState, token: &str) -> Result<Requester, ApiError> {
    let owner = state.database.token_owner(token).await?.ok_or(ApiError::UnknownToken)?;
    if owner.valid_until_ms.is_some_and(|end| end < now_ms()) {
        return Err(ApiError::ExpiredToken);
    }
    if !owner.used {
        state.database.mark_token_used(owner.token_id).await?;
    }
    if owner.locked {
        return Err(ApiError::UserLocked);
    }
    if owner.is_guest {
        return Err(ApiError::GuestAccess);
    }
    let puppeteer = Some(owner.authenticated).filter(|authenticated| *authenticated != owner.user_id);
    Ok(Requester { user: owner.user_id, puppeteer })
}

/// Milliseconds since 1970, as Synapse's tables count time.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
