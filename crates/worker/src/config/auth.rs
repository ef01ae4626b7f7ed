//! Who may enter: the secret behind guests' tokens, and whether accounts end.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::{Digest, Sha256};

use super::{
    ConfigError, InlineSecrets, appservices,
    files::Files,
    node::{Node, or},
    secrets::secret,
};

/// Who may enter besides those whom Synapse's tables name.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// `app_service_config_files`: the registration files, which have been read once and are right.
    pub appservice_files: Vec<PathBuf>,
    /// `macaroon_secret_key`, or what stands for it; `None` where there is neither: then guests look like strangers.
    pub macaroon_secret: Option<SecretSlice<u8>>,
    /// `account_validity.enabled`: accounts end.
    pub account_validity: bool,
}

impl AuthConfig {
    pub(super) fn read(
        files: &Files,
        server_name: &str,
        inline: InlineSecrets,
        warnings: &mut Vec<String>,
    ) -> Result<Self, ConfigError> {
        let appservice_files = appservices::paths(files)?;
        appservices::read(&appservice_files, server_name)?;
        let macaroon_secret = macaroon_secret(files, inline, warnings)?;
        Ok(Self { appservice_files, macaroon_secret, account_validity: account_validity(files)? })
    }
}

/// Who counts as seen, besides users themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastSeen {
    /// `track_puppeted_user_ips`: the user whom an admin puppets.
    pub puppeted_users: bool,
    /// `track_appservice_user_ips`: users whom application services act for.
    pub appservice_users: bool,
}

impl LastSeen {
    pub(super) fn read(files: &Files) -> Result<Self, ConfigError> {
        let flag = |key| or(files.get(key), Node::bool, false);
        Ok(Self {
            puppeted_users: flag("track_puppeted_user_ips")?,
            appservice_users: flag("track_appservice_user_ips")?,
        })
    }
}

/// The secret of guests' macaroons: `macaroon_secret_key`, else `registration_shared_secret`, else a hash of the signing key.
fn macaroon_secret(
    files: &Files,
    inline: InlineSecrets,
    warnings: &mut Vec<String>,
) -> Result<Option<SecretSlice<u8>>, ConfigError> {
    for key in ["macaroon_secret_key", "registration_shared_secret"] {
        let secret = secret(|key| files.get(key), key, inline)?;
        if let Some(secret) = secret.filter(|secret| !secret.expose_secret().is_empty()) {
            return Ok(Some(secret.expose_secret().as_bytes().to_vec().into()));
        }
    }
    let Some(path) = files.get("signing_key_path") else { return Ok(None) };
    let file = path.path()?;
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) => {
            warnings.push(format!(
                "{}: cannot read it ({}), so guests are told that their token is unknown",
                path.place(),
                error.kind()
            ));
            return Ok(None);
        }
    };
    let seed = seed(&text).ok_or_else(|| unreadable(&path, &file))?;
    Ok(Some(Sha256::digest(seed).to_vec().into()))
}

/// The seed of the first key: a line of algorithm, version and unpadded base64.
fn seed(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text.lines().next()?.split_whitespace().nth(2)?).ok()
}

fn unreadable(node: &Node<'_>, file: &Path) -> ConfigError {
    node.error(format!("{} does not hold a signing key", file.display()))
}

/// `account_validity.enabled`, of the section that modules have replaced.
fn account_validity(files: &Files) -> Result<bool, ConfigError> {
    match files.get("account_validity") {
        None => Ok(false),
        Some(section) => or(section.section()?.get("enabled"), Node::bool, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_is_that_of_the_first_key() {
        assert_eq!(seed("ed25519 a_X AQID\ned25519 b_Y BAUG\n"), Some(vec![1, 2, 3]));
        assert_eq!(seed("ed25519 a_X"), None);
        assert_eq!(seed(""), None);
    }
}
