//! Secrets that stand in the configuration, or in a file that it names.

use std::fs;

use secrecy::SecretString;

use super::{ConfigError, node::Node};

/// Whether secrets may stand in the configuration itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InlineSecrets {
    /// As usual.
    Allowed,
    /// `--no-secrets-in-config`: only the `*_path` variants are accepted.
    Refused,
}

/// Reads `key` by way of `get`, or else the file that `<key>_path` names, without the white space around its text.
/// Both at once are an error, as in Synapse.
pub(super) fn secret<'a>(
    get: impl Fn(&str) -> Option<Node<'a>>,
    key: &str,
    inline: InlineSecrets,
) -> Result<Option<SecretString>, ConfigError> {
    let path_key = format!("{key}_path");
    let value = get(key);
    let path = get(&path_key).filter(Node::is_truthy);
    match (value, path) {
        (Some(value), Some(_)) if value.is_truthy() => {
            Err(value.error(format!("`{key}` and `{path_key}` exclude one another")))
        }
        (_, Some(path)) => {
            let file = path.path()?;
            let text = fs::read_to_string(&file)
                .map_err(|error| ConfigError::unreadable(path.place(), &file, &error))?;
            Ok(Some(text.trim().into()))
        }
        (Some(value), None) if value.is_truthy() && inline == InlineSecrets::Refused => {
            Err(value.error(format!("secrets in the configuration are switched off; use `{path_key}`")))
        }
        (Some(value), None) => Ok(Some(value.text()?.into())),
        (None, None) => Ok(None),
    }
}
