//! Synapse's `matrix_authentication_service`.

use key_backup_api::MasSettings;
use secrecy::ExposeSecret;
use url::Url;

use super::{
    ConfigError, InlineSecrets,
    files::Files,
    node::{Node, Section, optional, or},
    secrets::secret,
};

const ENDPOINT: &str = "http://localhost:8080";

/// Reads the section; `None` where the service is not enabled.
pub(super) fn read(files: &Files, inline: InlineSecrets) -> Result<Option<MasSettings>, ConfigError> {
    refuse_msc3861(files)?;
    let Some(section) = optional(files.get("matrix_authentication_service"), Node::section)? else {
        return Ok(None);
    };
    if !or(section.get("enabled"), Node::bool, false)? {
        return Ok(None);
    }
    let secret = secret(|key| section.get(key), "secret", inline)?
        .filter(|secret| !secret.expose_secret().is_empty())
        .ok_or_else(|| section.error("expected `secret` or `secret_path`, one of them and not empty"))?;
    if secret.expose_secret().bytes().any(|byte| byte.is_ascii_control()) {
        return Err(section.error("the secret must be one line of text: it goes into an HTTP header"));
    }
    let force_http2 = or(section.get("force_http2"), Node::bool, false)?;
    Ok(Some(MasSettings { endpoint: endpoint(&section)?, secret, force_http2 }))
}

fn endpoint(section: &Section<'_>) -> Result<Url, ConfigError> {
    match section.get("endpoint") {
        Some(node) => node.http_url(),
        None => Url::parse(ENDPOINT).map_err(|error| section.error(error.to_string())),
    }
}

/// To leave it out would mean to call the tokens of everybody unknown, which logs them out for good.
fn refuse_msc3861(files: &Files) -> Result<(), ConfigError> {
    let Some(features) = optional(files.get("experimental_features"), Node::section)? else { return Ok(()) };
    match features.get("msc3861").filter(Node::is_truthy) {
        Some(node) => Err(node
            .error("Synapse no longer accepts this key: use `matrix_authentication_service` in its place")),
        None => Ok(()),
    }
}
