//! What the Matrix Authentication Service says of a token, read as strictly as Synapse reads it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::value::RawValue;

use super::error::{IntrospectionError, MasError};

/// Scopes that open the Matrix API, in the stable and in the unstable spelling.
const API: [&str; 2] = ["urn:matrix:client:api:*", "urn:matrix:org.matrix.msc2967.client:api:*"];

/// What stands before the device in a scope, in both spellings.
const DEVICE: [&str; 2] = ["urn:matrix:client:device:", "urn:matrix:org.matrix.msc2967.client:device:"];

/// How long an answer is believed at most, as in Synapse.
const LIFETIME: Duration = Duration::from_mins(2);

/// An answer by which a token is active and opens the Matrix API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Introspection {
    /// The localpart of the user.
    pub(super) username: String,
    /// The device, if the token belongs to one; or why it cannot be said, in Synapse's words.
    pub(super) device_id: Result<Option<String>, &'static str>,
    /// When the token ends, from when the answer came; `None` for never.
    expires_in: Option<Duration>,
}

impl Introspection {
    /// Reads the body of an answer that has just come.
    ///
    /// # Errors
    ///
    /// The answer is not one of the protocol, or the token is refused by it: [`MasError`].
    pub(super) fn read(body: &[u8]) -> Result<Self, MasError> {
        let fields: BTreeMap<String, &RawValue> =
            serde_json::from_slice(body).map_err(|_| IntrospectionError::NotAnObject)?;
        let field = |name| fields.get(name).map(|value| value.get()).filter(|text| *text != "null");
        let text = |name| field(name).map(serde_json::from_str::<String>).transpose();
        let text = |name| text(name).map_err(|_| IntrospectionError::Field(name));
        let is_active = match field("active") {
            Some("true") => true,
            Some("false") => false,
            _ => return Err(IntrospectionError::Field("active").into()),
        };
        let expires_in = field("expires_in").map(seconds).transpose()?;
        let (scope, username, device_id) = (text("scope")?, text("username")?, text("device_id")?);
        text("sub")?;
        if !is_active || expires_in.is_some_and(|time| time.is_zero()) {
            return Err(MasError::NOT_ACTIVE);
        }
        let scope: BTreeSet<&str> = scope.iter().flat_map(|scope| scope.split(' ')).collect();
        if !API.iter().any(|api| scope.contains(api)) {
            return Err(MasError::NO_API_ACCESS);
        }
        let username = username.ok_or(MasError::NO_USERNAME)?;
        Ok(Self { username, device_id: device(device_id, &scope), expires_in })
    }

    /// How long it may be remembered.
    pub(super) fn lifetime(&self) -> Duration {
        self.expires_in.map_or(LIFETIME, |time| time.min(LIFETIME))
    }
}

/// A whole number of seconds, however large; below zero it is zero.
fn seconds(json: &str) -> Result<Duration, IntrospectionError> {
    let digits = json.strip_prefix('-').unwrap_or(json);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(IntrospectionError::Field("expires_in"));
    }
    let seconds = if json.starts_with('-') { 0 } else { digits.parse().unwrap_or(u64::MAX) };
    Ok(Duration::from_secs(seconds))
}

/// The field wins over the scope, which may name one device, be it in both spellings.
fn device(field: Option<String>, scope: &BTreeSet<&str>) -> Result<Option<String>, &'static str> {
    let words = scope.iter().copied();
    let mut devices: BTreeSet<&str> =
        words.filter_map(|word| DEVICE.iter().find_map(|prefix| word.strip_prefix(prefix))).collect();
    let device = match field {
        Some(device) => Some(device),
        None if devices.len() > 1 => return Err(MasError::SEVERAL_DEVICES),
        None => devices.pop_first().map(str::to_owned),
    };
    match device.as_ref().map(|device| device.chars().count()) {
        None | Some(1..=255) => Ok(device),
        Some(_) => Err(MasError::INVALID_DEVICE),
    }
}

#[cfg(test)]
mod tests;
