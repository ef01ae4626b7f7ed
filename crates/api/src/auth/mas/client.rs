//! The question itself: OAuth 2.0 token introspection over HTTP (RFC 7662), as Synapse sends it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use key_backup_metrics::Metrics;
use reqwest::{
    StatusCode, Url,
    header::{ACCEPT, AUTHORIZATION, HeaderValue},
    redirect,
};
use secrecy::{ExposeSecret, SecretString};

use super::error::IntrospectionError;

/// Until there is a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Until the answer is there, whole.
const TIMEOUT: Duration = Duration::from_secs(8);

/// How often a connection of HTTP/2 that owes an answer is pinged, and how long it may take to say that it is alive: a dead one would
/// otherwise be given every question.
const PING: Duration = Duration::from_secs(2);

/// The longest body of an answer, in bytes.
const LIMIT: usize = 1 << 20;

const USER_AGENT: &str = concat!("key-backup-worker/", env!("CARGO_PKG_VERSION"));

/// Synapse's `matrix_authentication_service`, where it is enabled.
#[derive(Debug, Clone)]
pub struct MasSettings {
    /// `endpoint`: http or https, without user, query and fragment; it may have a path.
    pub endpoint: Url,
    /// `secret`, or what `secret_path` holds; fit for an HTTP header.
    pub secret: SecretString,
    /// `force_http2`: HTTP/2 without asking, also where there is no TLS.
    pub force_http2: bool,
}

/// The service cannot be asked with these settings.
#[derive(Debug, thiserror::Error)]
pub enum MasSetupError {
    /// The secret does not fit into an HTTP header.
    #[error("the secret of the Matrix Authentication Service holds characters that no HTTP header may have")]
    Secret,
    /// There are no certificates to trust, or the proxy of the environment cannot be used.
    #[error("cannot make an HTTP client")]
    Client(#[from] reqwest::Error),
}

/// Asks, over connections that are kept.
pub(super) struct Client {
    http: reqwest::Client,
    url: Url,
    authorization: HeaderValue,
    metrics: Arc<Metrics>,
}

impl Client {
    pub(super) fn new(settings: &MasSettings, metrics: Arc<Metrics>) -> Result<Self, MasSetupError> {
        let mut url = settings.endpoint.clone();
        url.set_path(&format!("{}/oauth2/introspect", url.path().trim_end_matches('/')));
        let bearer = format!("Bearer {}", settings.secret.expose_secret());
        let mut authorization = HeaderValue::try_from(bearer).map_err(|_| MasSetupError::Secret)?;
        authorization.set_sensitive(true);
        Ok(Self { http: http(settings)?, url, authorization, metrics })
    }

    /// The body of the answer about a token.
    pub(super) async fn ask(&self, token: &str) -> Result<Vec<u8>, IntrospectionError> {
        let started = Instant::now();
        let answer = self.post(token).await;
        let code = match &answer {
            Ok((status, _)) | Err(IntrospectionError::Status(status)) => status.as_str(),
            Err(_) => "ERR",
        };
        self.metrics.auth.introspected(code, started.elapsed());
        answer.map(|(_, body)| body)
    }

    async fn post(&self, token: &str) -> Result<(StatusCode, Vec<u8>), IntrospectionError> {
        let request = self
            .http
            .post(self.url.clone())
            .header(AUTHORIZATION, self.authorization.clone())
            .header(ACCEPT, "application/json")
            // The device may stand beside the scope, as it does for tokens of Synapse's own way to log in.
            .header("X-MAS-Supports-Device-Id", "1")
            .form(&[("token", token), ("token_type_hint", "access_token")]);
        let mut response = request.send().await?;
        let status = response.status();
        if !status.is_success() {
            return Err(IntrospectionError::Status(status));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > LIMIT {
                return Err(IntrospectionError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok((status, body))
    }
}

fn http(settings: &MasSettings) -> Result<reqwest::Client, reqwest::Error> {
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(PING);
    if settings.force_http2 {
        builder = builder.http2_prior_knowledge();
    }
    if settings.endpoint.scheme() == "http" {
        // Whoever needs no certificates need not have any installed.
        builder = builder.tls_certs_only([]);
    }
    builder.build()
}
