//! Who may enter: only those whom Synapse lets in.

mod appservice;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod guest;
mod local;
mod mas;
mod owner;
mod token;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{SystemTime, UNIX_EPOCH},
};

use actix_web::HttpRequest;
use key_backup_model::UserId;

use crate::{ApiError, AppState, client::Client, extract::query::Query};

pub use appservice::{AppService, AppServices};
pub use guest::GuestTokens;
use mas::Introspection;
pub use mas::{IntrospectionError, Mas, MasError, MasSettings, MasSetupError};
pub use owner::Owner;

/// What Synapse's configuration says of who may enter.
pub struct AuthSettings {
    appservices: RwLock<Arc<AppServices>>,
    /// Tells guests from strangers; `None` if there is no secret for it.
    pub guests: Option<GuestTokens>,
    /// `account_validity.enabled`: accounts end.
    pub account_validity: bool,
    /// Issues all tokens but those of application services, if there is such a service: then those in Synapse's tables count for nothing.
    pub mas: Option<Mas>,
}

impl AuthSettings {
    /// Puts the parts together.
    pub fn new(
        appservices: AppServices,
        guests: Option<GuestTokens>,
        account_validity: bool,
        mas: Option<Mas>,
    ) -> Self {
        Self { appservices: RwLock::new(Arc::new(appservices)), guests, account_validity, mas }
    }

    /// Puts others in the place of the application services, after their files have changed.
    pub fn set_appservices(&self, appservices: AppServices) {
        *self.appservices.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(appservices);
    }

    fn appservices(&self) -> Arc<AppServices> {
        Arc::clone(&self.appservices.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The user whose backup is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Requester {
    /// Whose backup.
    pub(crate) user: UserId,
    /// Who logged in, where that is somebody else: an admin who puppets the user.
    pub(crate) puppeteer: Option<UserId>,
    /// Asks on behalf of an application service that has no limits.
    pub(crate) is_exempt: bool,
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

/// What a request shows to be let in.
pub(crate) struct Claim {
    token: String,
    services: Arc<AppServices>,
    /// What the Matrix Authentication Service says, where it is who issues the token.
    introspection: Option<Arc<Introspection>>,
}

/// Takes the token out of the request, and asks the Matrix Authentication Service about it if that is who issues tokens and has not been asked
/// lately. That may take long; `before_asking` is called before.
pub(crate) async fn claim(
    state: &AppState,
    request: &HttpRequest,
    client: &Client,
    before_asking: impl FnOnce(),
) -> Result<Claim, ApiError> {
    let token = token::of(request.headers(), Query::new(request.query_string()))?;
    let auth = &state.instance.auth;
    let services = auth.appservices();
    let introspection = match &auth.mas {
        Some(mas) if services.find(&token, &client.ip).is_none() => {
            let mut known = mas.known(&token).await;
            if known.is_none() {
                before_asking();
                known = Some(mas.introspect(&token).await?);
            }
            known
        }
        _ => None,
    };
    Ok(Claim { token, services, introspection })
}

/// Lets the request in, or says why not. Checks are made, and fail, in Synapse's order.
pub(crate) async fn requester(
    state: &AppState,
    claim: &Claim,
    query: Query<'_>,
    client: &Client,
) -> Result<Requester, ApiError> {
    let token = &claim.token;
    match (claim.services.find(token, &client.ip), &claim.introspection) {
        (Some(service), _) => appservice::requester(state, service, token, query, client).await,
        (None, Some(introspection)) => mas::requester(state, introspection, token, client).await,
        (None, None) => local::requester(state, token, client).await,
    }
}

/// Milliseconds since 1970, as Synapse's tables count time.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
