//! The registration files of `app_service_config_files`.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use fancy_regex::Regex;
use ipnet::IpNet;
use key_backup_api::{AppService, AppServices};
use key_backup_model::UserId;
use sha2::{Digest, Sha256};

use super::{
    ConfigError,
    files::{self, Files},
    node::{Node, Section, or},
};

/// The files that `app_service_config_files` names. A null is refused, as Synapse does.
pub(super) fn paths(files: &Files) -> Result<Vec<PathBuf>, ConfigError> {
    match files.get("app_service_config_files") {
        None if files.contains("app_service_config_files") => Err(files
            .missing("app_service_config_files", "a list of files (leave the key out if there are none)")),
        None => Ok(Vec::new()),
        Some(list) => list.items()?.iter().map(Node::path).collect(),
    }
}

/// Reads the files, at start and again on SIGHUP.
///
/// # Errors
///
/// A file cannot be read, is no registration, or repeats the `id` or the `as_token` of another.
pub fn read(paths: &[PathBuf], server_name: &str) -> Result<AppServices, ConfigError> {
    let mut services: Vec<(String, AppService)> = Vec::new();
    for path in paths {
        let (id, service) = registration(path, server_name)?;
        let place = path.display().to_string();
        if services.iter().any(|(other, _)| *other == id) {
            return Err(ConfigError::new(place, "`id` is that of another application service"));
        }
        if services.iter().any(|(_, other)| other.token_hash == service.token_hash) {
            return Err(ConfigError::new(place, "`as_token` is that of another application service"));
        }
        services.push((id, service));
    }
    Ok(AppServices(services.into_iter().map(|(_, service)| service).collect()))
}

fn registration(path: &Path, server_name: &str) -> Result<(String, AppService), ConfigError> {
    let tree = files::read_yaml(path)?;
    let section = Node::new(&tree, path, "").section()?;
    let text = |key| section.require(key, "a string")?.text();
    text("hs_token")?;
    // A null says that the service wants no events; to leave the key out is taken for a mistake.
    match section.get_or_null("url") {
        Some(url) if url.is_null() => {}
        Some(url) => drop(url.text()?),
        None => return Err(section.error("`url` is missing: expected a string or null")),
    }
    let sender = format!("@{}:{server_name}", text("sender_localpart")?);
    let sender = UserId::new(sender).map_err(|_| section.error("`sender_localpart` holds U+0000"))?;
    let service = AppService {
        token_hash: Sha256::digest(text("as_token")?).into(),
        sender,
        users: users(&section)?,
        ip_range_whitelist: networks(&section)?,
        rate_limited: or(section.get("rate_limited"), Node::bool, true)?,
    };
    Ok((text("id")?.to_owned(), service))
}

/// The regular expressions of `namespaces.users`.
fn users(section: &Section<'_>) -> Result<Vec<Regex>, ConfigError> {
    let namespaces = section.require("namespaces", "a mapping")?.section()?;
    let Some(users) = namespaces.get("users") else { return Ok(Vec::new()) };
    users.items()?.iter().map(user_namespace).collect()
}

fn user_namespace(node: &Node<'_>) -> Result<Regex, ConfigError> {
    let section = node.section()?;
    section.require("exclusive", "true or false")?.bool()?;
    let regex = section.require("regex", "a regular expression")?;
    // Python's `match` looks at the beginning only, and lets anything follow.
    let bound = Regex::new(&format!("^(?:{})", regex.text()?));
    bound.map_err(|_| regex.expected("a regular expression as Python writes it"))
}

/// `ip_range_whitelist`: networks, or single addresses.
fn networks(section: &Section<'_>) -> Result<Vec<IpNet>, ConfigError> {
    let Some(list) = section.get("ip_range_whitelist").filter(Node::is_truthy) else { return Ok(Vec::new()) };
    let network = |node: &Node<'_>| {
        let text = node.text()?;
        let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map_err(|_| node.expected("an address, or a network such as 10.0.0.0/8"))
    };
    list.items()?.iter().map(network).collect()
}
