//! Registration with the shared secret: `/_synapse/admin/v1/register`.

use std::fmt::Write;

use anyhow::{Context, Result, ensure};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;

use super::config::REGISTRATION_SHARED_SECRET;
use crate::{Account, http::Client};

const ENDPOINT: &str = "/_synapse/admin/v1/register";

pub(super) const PASSWORD: &str = "correct-horse-battery-staple";

pub(super) async fn register(main: &Client, localpart: &str, administrator: bool) -> Result<Account> {
    let nonce = text(&main.get(ENDPOINT).await?.json()?, "nonce")?;
    let body = json!({
        "nonce": nonce,
        "username": localpart,
        "password": PASSWORD,
        "admin": administrator,
        "mac": signature(&nonce, localpart, administrator)?,
    });
    let answer = main.post(ENDPOINT, &body).await?;
    ensure!(answer.status == 200, "Synapse does not register {localpart}: {}", answer.text());
    let answer = answer.json()?;
    Ok(Account {
        user_id: text(&answer, "user_id")?,
        device_id: text(&answer, "device_id")?,
        access_token: text(&answer, "access_token")?,
    })
}

/// HMAC-SHA1 over the fields, a NUL between each two, in hexadecimal digits.
fn signature(nonce: &str, localpart: &str, administrator: bool) -> Result<String> {
    let role = if administrator { "admin" } else { "notadmin" };
    let mut mac = Hmac::<Sha1>::new_from_slice(REGISTRATION_SHARED_SECRET.as_bytes())?;
    mac.update([nonce, localpart, PASSWORD, role].join("\0").as_bytes());
    let mut hexadecimal = String::new();
    for byte in mac.finalize().into_bytes() {
        write!(hexadecimal, "{byte:02x}")?;
    }
    Ok(hexadecimal)
}

fn text(object: &Value, name: &str) -> Result<String> {
    let value = object[name].as_str().with_context(|| format!("Synapse's answer has no {name}: {object}"))?;
    Ok(value.to_owned())
}
