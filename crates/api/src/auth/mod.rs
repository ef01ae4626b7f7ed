//! Who may enter: only those whom Synapse's tables let in.

mod local;
mod token;

use actix_web::HttpRequest;
use key_backup_model::UserId;

use crate::{ApiError, AppState, client::Client, extract::query::Query};

/// The user whose backup is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Requester {
    /// Whose backup.
    pub(crate) user: UserId,
    /// Who logged in, where that is somebody else: an admin who puppets the user.
    pub(crate) puppeteer: Option<UserId>,
}

impl Requester {
    /// As it stands in Synapse's request log.
    pub(crate) fn log_name(&self) -> String {
        match &self.puppeteer {
            None => self.user.to_string(),
            Some(puppeteer) => format!("{puppeteer}|{}", self.user),
        }
    }
}

/// Lets the request in, or says why not. Checks are made, and fail, in Synapse's order.
pub(crate) async fn requester(
    state: &AppState,
    request: &HttpRequest,
    client: &Client,
) -> Result<Requester, ApiError> {
    let token = token::of(request.headers(), Query::new(request.query_string()))?;
    local::requester(state, &token, client).await
}
