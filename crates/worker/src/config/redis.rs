//! Synapse's `redis`.

use key_backup_cache::{RedisAddress, RedisSettings, RedisTls};
use secrecy::ExposeSecret;

use super::{
    ConfigError, InlineSecrets,
    files::Files,
    node::{Node, Section, optional, or},
    secrets::secret,
};

/// Reads the section; `None` where Redis is not enabled.
pub(super) fn read(files: &Files, inline: InlineSecrets) -> Result<Option<RedisSettings>, ConfigError> {
    let Some(redis) = files.get("redis") else { return Ok(None) };
    let section = redis.section()?;
    if !or(section.get("enabled"), Node::bool, false)? {
        return Ok(None);
    }
    let username = optional(section.get("username").filter(Node::is_truthy), Node::scalar)?;
    let password = secret(|key| section.get(key), "password", inline)?;
    if username.is_some() && password.is_none() {
        return Err(section.error("`username` needs `password` or `password_path` (which may be empty)"));
    }
    // Redis refuses an empty password where no user name stands beside it.
    let password = password.filter(|password| username.is_some() || !password.expose_secret().is_empty());
    let dbid = optional(section.get("dbid"), |node| node.integer(0..=u32::MAX))?;
    Ok(Some(RedisSettings { address: address(&section)?, username, password, dbid }))
}

/// `path` wins over host, port and TLS.
fn address(section: &Section<'_>) -> Result<RedisAddress, ConfigError> {
    if let Some(path) = section.get("path").filter(Node::is_truthy) {
        return Ok(RedisAddress::Unix(path.path()?));
    }
    let host = or(section.get("host"), |node| Ok(node.text()?.to_owned()), "localhost".to_owned())?;
    let port = or(section.get("port"), |node| node.integer(1..=u16::MAX), 6379)?;
    let tls = if or(section.get("use_tls"), Node::bool, false)? { Some(tls(section)?) } else { None };
    Ok(RedisAddress::Tcp { host, port, tls })
}

fn tls(section: &Section<'_>) -> Result<RedisTls, ConfigError> {
    let path = |key| optional(section.get(key).filter(Node::is_truthy), Node::path);
    let client_certificate = match (path("certificate_file")?, path("private_key_file")?) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => return Err(section.error("`certificate_file` and `private_key_file` need one another")),
    };
    Ok(RedisTls { client_certificate, ca_file: path("ca_file")?, ca_path: path("ca_path")? })
}
