//! What has to be true of everything that claims to be a token.

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    guest::{GuestTokens, signed},
    token,
};
use crate::extract::query::Query;

pub use super::mas::fuzzing::introspection;

/// Looks for a token in headers and a query, given one a line; the query comes first.
///
/// # Panics
///
/// When something is not as it has to be.
pub fn token(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let query = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let mut headers = HeaderMap::new();
    for line in lines {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(AUTHORIZATION, value);
        }
    }
    let found = token::of(&headers, Query::new(&query));
    let is_named_once = headers.len() + usize::from(Query::new(&query).first("access_token").is_some()) == 1;
    match found {
        Ok(token) => assert!(is_named_once && token.is_ascii()),
        Err(error) => assert_eq!(error.parts().0, 401),
    }
}

/// Reads a token that somebody made up, one that the secret signs, and that one with one bit changed.
///
/// # Panics
///
/// When something is not as it has to be.
pub fn macaroon(data: &[u8]) {
    let guests = GuestTokens::new(b"secret");
    let text = String::from_utf8_lossy(data);
    assert_eq!(guests.user(&text, 1000), None, "nobody but us knows the secret");
    assert_eq!(guests.user(&URL_SAFE_NO_PAD.encode(data), 1000), None, "nobody but us knows the secret");
    // A packet cannot be longer than four hexadecimal digits tell.
    if text.len() > 10_000 {
        return;
    }
    let caveats: Vec<&str> = text.split('\n').collect();
    let token = signed("secret", &caveats);
    let user = guests.user(&token, 1000);
    assert_eq!(user.as_deref(), only_guest(&caveats), "{caveats:?}");
    let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap_or_default();
    let changed = data.first().map_or(0, |byte| usize::from(*byte) * bytes.len() / 256);
    // Nothing is signed of the packet that tells the location.
    if changed > LOCATION {
        bytes[changed] ^= 1;
        assert_eq!(guests.user(&URL_SAFE_NO_PAD.encode(bytes), 1000), None, "changed at {changed}");
    }
}

/// The length of `0010location s\n`.
const LOCATION: usize = 16;

/// The user of a token with these conditions at the time 1000, as Synapse reads them.
fn only_guest<'a>(caveats: &[&'a str]) -> Option<&'a str> {
    let is_past = |end: &str| end.trim().parse::<i64>().is_ok_and(|end| 1000 < end);
    let holds = |caveat: &&str| match caveat.split_once(" = ") {
        Some(("gen", "1") | ("type", "access") | ("guest", "true") | ("user_id" | "nonce", _)) => true,
        _ => caveat.strip_prefix("time < ").is_some_and(is_past),
    };
    let mut users = caveats.iter().filter_map(|caveat| caveat.strip_prefix("user_id = "));
    let user = users.next()?;
    let is_good = caveats.contains(&"guest = true") && caveats.iter().all(holds);
    (is_good && users.all(|other| other == user)).then_some(user)
}
