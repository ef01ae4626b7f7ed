//! Guests' tokens: macaroons that Synapse signs and never stores. A guest has no backup, so a good one is only refused in other words.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What libmacaroons makes keys of secrets with.
const KEY_GENERATOR: &[u8] = b"macaroons-key-generator";

/// Synapse's secret for macaroons, made into their first key.
pub struct GuestTokens {
    key: [u8; 32],
}

impl GuestTokens {
    /// `secret` is Synapse's `macaroon_secret_key`, or what stands for it.
    pub fn new(secret: &[u8]) -> Self {
        Self { key: sign(KEY_GENERATOR, secret) }
    }

    /// The user of a guest's token; `None` if it is none, is not signed with this secret, or is over at `now_ms`.
    pub(super) fn user(&self, token: &str, now_ms: i64) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(token.trim_end_matches('=')).ok()?;
        let macaroon = Macaroon::read(&bytes)?;
        let mut signature = sign(&self.key, macaroon.identifier);
        for caveat in &macaroon.caveats {
            signature = sign(&signature, caveat.as_bytes());
        }
        // Compared by way of another HMAC, so that the time tells nothing of the bytes.
        let is_ours = sign(&self.key, &signature) == sign(&self.key, macaroon.signature);
        let is_guest = macaroon.caveats.contains(&"guest = true");
        let is_valid = macaroon.caveats.iter().all(|caveat| holds(caveat, now_ms));
        if is_ours && is_guest && is_valid { only_user(&macaroon.caveats) } else { None }
    }
}

/// Whether a condition is one that Synapse knows, and true.
fn holds(caveat: &str, now_ms: i64) -> bool {
    let is_current = || caveat.strip_prefix("time < ")?.trim().parse::<i64>().ok().map(|end| now_ms < end);
    matches!(caveat, "gen = 1" | "type = access" | "guest = true")
        || caveat.starts_with("user_id = ")
        || caveat.starts_with("nonce = ")
        || is_current().unwrap_or(false)
}

/// The user that all caveats agree on.
fn only_user(caveats: &[&str]) -> Option<String> {
    let mut users = caveats.iter().filter_map(|caveat| caveat.strip_prefix("user_id = "));
    let user = users.next()?;
    users.all(|other| other == user).then(|| user.to_owned())
}

fn sign(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// A macaroon in version 1 of the binary format, the one that Synapse writes.
struct Macaroon<'a> {
    identifier: &'a [u8],
    caveats: Vec<&'a str>,
    signature: &'a [u8],
}

impl<'a> Macaroon<'a> {
    /// Reads packets: four hexadecimal digits of length, a name, a space, a value, a line feed.
    fn read(mut bytes: &'a [u8]) -> Option<Self> {
        let (mut identifier, mut signature, mut caveats) = (None, None, Vec::new());
        while !bytes.is_empty() {
            let length = usize::from_str_radix(str::from_utf8(bytes.get(..4)?).ok()?, 16).ok()?;
            let packet = bytes.get(4..length)?.strip_suffix(b"\n")?;
            let space = packet.iter().position(|byte| *byte == b' ')?;
            let (name, value) = (&packet[..space], &packet[space + 1..]);
            match name {
                b"location" => {}
                b"identifier" => identifier = Some(value),
                b"cid" => caveats.push(str::from_utf8(value).ok()?),
                b"signature" => signature = Some(value),
                // Conditions of third parties: Synapse makes none.
                _ => return None,
            }
            bytes = &bytes[length..];
        }
        Some(Self { identifier: identifier?, caveats, signature: signature? })
    }
}

/// Writes a macaroon as pymacaroons does.
#[cfg(any(test, fuzzing))]
pub(super) fn signed(secret: &str, caveats: &[&str]) -> String {
    let packet = |name: &str, value: &[u8]| {
        let mut packet = format!("{:04x}{name} ", name.len() + value.len() + 6).into_bytes();
        packet.extend_from_slice(value);
        packet.push(b'\n');
        packet
    };
    let mut signature = sign(&sign(KEY_GENERATOR, secret.as_bytes()), b"key");
    let mut bytes = [packet("location", b"s"), packet("identifier", b"key")].concat();
    for caveat in caveats {
        signature = sign(&signature, caveat.as_bytes());
        bytes.extend(packet("cid", caveat.as_bytes()));
    }
    bytes.extend(packet("signature", &signature));
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUEST: [&str; 5] = ["gen = 1", "type = access", "user_id = @1:s", "nonce = x", "guest = true"];

    fn user(token: &str) -> Option<String> {
        GuestTokens::new(b"secret").user(token, 1000)
    }

    #[test]
    fn a_guests_token_names_the_guest() {
        assert_eq!(user(&signed("secret", &GUEST)), Some("@1:s".to_owned()));
        assert_eq!(user(&format!("{}==", signed("secret", &GUEST))), Some("@1:s".to_owned()));
    }

    #[test]
    fn another_secret_or_a_changed_condition_makes_it_no_token() {
        assert_eq!(user(&signed("other", &GUEST)), None);
        let token = URL_SAFE_NO_PAD.decode(signed("secret", &GUEST)).unwrap();
        let changed = String::from_utf8_lossy(&token).contains("@1:s");
        assert!(changed);
        let at = token.windows(4).position(|window| window == b"@1:s").unwrap();
        let mut forged = token;
        forged[at + 1] = b'2';
        assert_eq!(user(&URL_SAFE_NO_PAD.encode(forged)), None);
    }

    #[test]
    fn every_condition_has_to_be_known_and_to_hold() {
        for (caveat, is_good) in
            [("time < 1001", true), ("time < 1000", false), ("x = y", false), ("user_id = @2:s", false)]
        {
            let caveats = [&GUEST[..], &[caveat]].concat();
            assert_eq!(user(&signed("secret", &caveats)).is_some(), is_good, "{caveat}");
        }
        assert_eq!(user(&signed("secret", &GUEST[..4])), None, "without guest = true");
    }

    #[test]
    fn other_tokens_are_none() {
        for token in ["", "syt_abc", "MDAwMg", "AAAA", "MDAxMGxvY2F0aW9uIHMK", "ZmZmZmE"] {
            assert_eq!(user(token), None, "{token}");
        }
    }
}
