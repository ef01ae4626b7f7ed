//! Application services: bridges and bots that act for the users of their namespaces.

use std::net::IpAddr;

use fancy_regex::Regex;
use ipnet::IpNet;
use key_backup_cache::Seen;
use key_backup_model::UserId;
use sha2::{Digest, Sha256};

use super::{Requester, now_ms};
use crate::{ApiError, AppState, client::Client, extract::query::Query};

/// The device that Synapse notes for an application service that names none.
const DUMMY_DEVICE: &str = "dummy-device";

/// One application service, from its registration file.
pub struct AppService {
    /// SHA-256 of its `as_token`: the token itself is not kept.
    pub token_hash: [u8; 32],
    /// The user of its `sender_localpart`.
    pub sender: UserId,
    /// The regular expressions of `namespaces.users`, each bound to the beginning as Python's `match` is.
    pub users: Vec<Regex>,
    /// `ip_range_whitelist`; empty for any address.
    pub ip_range_whitelist: Vec<IpNet>,
    /// `rate_limited`: whether its users are limited as others are.
    pub rate_limited: bool,
}

/// All application services of a homeserver.
#[derive(Default)]
pub struct AppServices(pub Vec<AppService>);

impl AppServices {
    /// The service with this token. From an address that is not in its list the token is simply unknown.
    pub(super) fn find(&self, token: &str, ip: &str) -> Option<&AppService> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        let service = self.0.iter().find(|service| service.token_hash == hash)?;
        let address = ip.parse::<IpAddr>().ok();
        let may_come = service.ip_range_whitelist.is_empty()
            || address
                .is_some_and(|address| service.ip_range_whitelist.iter().any(|net| net.contains(&address)));
        may_come.then_some(service)
    }
}

impl AppService {
    fn may_act_for(&self, user: &str) -> bool {
        // An expression that takes too long on a user matches nothing.
        user == self.sender.as_str() || self.users.iter().any(|users| users.is_match(user).unwrap_or(false))
    }
}

/// The user that a service acts for: the one in `user_id`, or its sender. Lock, expiry and guests are not looked at.
pub(super) async fn requester(
    state: &AppState,
    service: &AppService,
    token: &str,
    query: Query<'_>,
    client: &Client,
) -> Result<Requester, ApiError> {
    let user = match text(query, "user_id")? {
        None => service.sender.clone(),
        Some(user) => controlled(service, &user)?,
    };
    let device = text(query, "device_id")?;
    let known = state.database.user(&user, device.as_deref()).await?;
    if !known.is_registered && user != service.sender {
        return Err(ApiError::Forbidden(format!(
            "Application service has not registered this user ({user})"
        )));
    }
    if let Some(device) = device.as_ref().filter(|_| !known.has_device) {
        let text =
            format!("Application service trying to use a device that doesn't exist ('{device}' for {user})");
        return Err(ApiError::UnknownDevice(text));
    }
    note(state, token, &user, device.as_deref(), client);
    Ok(Requester { user, puppeteer: None, is_exempt: !service.rate_limited })
}

fn controlled(service: &AppService, user: &str) -> Result<UserId, ApiError> {
    if service.may_act_for(user) {
        // No user has a name with U+0000.
        return UserId::new(user)
            .map_err(|_| ApiError::Forbidden("Application service has not registered this user".to_owned()));
    }
    Err(ApiError::Forbidden(format!("Application service cannot masquerade as this user ({user}).")))
}

fn text(query: Query<'_>, name: &'static str) -> Result<Option<String>, ApiError> {
    let value = query.first(name).map(String::from_utf8).transpose();
    let invalid =
        || ApiError::Invalid(format!("Query parameter '{name}' must be UTF-8 without U+0000").into());
    match value {
        Ok(value) if value.as_deref().is_some_and(|value| value.contains('\0')) => Err(invalid()),
        Ok(value) => Ok(value),
        Err(_) => Err(invalid()),
    }
}

fn note(state: &AppState, token: &str, user: &UserId, device: Option<&str>, client: &Client) {
    let Some(synapse) = state.instance.synapse.as_ref().filter(|synapse| synapse.track_appservice_user_ips)
    else {
        return;
    };
    synapse.user_ips.note(&Seen {
        user,
        access_token: token,
        ip: &client.ip,
        user_agent: &client.user_agent,
        device_id: Some(device.unwrap_or(DUMMY_DEVICE)),
        now_ms: now_ms(),
    });
}
