//! Operations as requests, and answers as they come over the wire.

use anyhow::{Context, Result, bail, ensure};
use key_backup_testkit::http::{Request, Response};
use serde_json::{Value, json};

use crate::call::{Answer, Key, Keys, Operation, Place, Selection};

const ROOM_KEYS: &str = "/_matrix/client/v3/room_keys";
const ALGORITHM: &str = "m.megolm_backup.v1.curve25519-aes-sha2";

/// What an answer says of an operation.
#[derive(Debug)]
pub(crate) enum Reply {
    /// That it happened, or why it could not.
    Answer(Answer),
    /// That it did not happen, and may be tried again.
    Refused,
    /// Nothing: it may have happened, or may yet.
    Unknown,
}

pub(crate) fn request(operation: &Operation) -> Request {
    let version = |method, version: u64| Request::new(method, &format!("{ROOM_KEYS}/version/{version}"));
    let keys = |method, path: &str, version: u64| {
        Request::new(method, &format!("{ROOM_KEYS}/keys{path}?version={version}"))
    };
    match operation {
        Operation::CreateVersion { auth_data } => {
            Request::new("POST", &format!("{ROOM_KEYS}/version")).json(&version_body(*auth_data))
        }
        Operation::DeleteVersion { version: number } => version("DELETE", *number),
        Operation::UpdateAuthData { version: number, auth_data } => {
            version("PUT", *number).json(&version_body(*auth_data))
        }
        Operation::ReadVersion { version: Some(number) } => version("GET", *number),
        Operation::ReadVersion { version: None } | Operation::Observe => {
            Request::new("GET", &format!("{ROOM_KEYS}/version"))
        }
        Operation::Upload { version, keys: uploaded } => {
            keys("PUT", "", *version).json(&upload_body(uploaded))
        }
        Operation::DeleteKeys { version, selection } => match selection {
            Selection::All => keys("DELETE", "", *version),
            Selection::Room(room) => keys("DELETE", &format!("/!room{room}"), *version),
            Selection::Session(place) => keys("DELETE", &format!("/{place}"), *version),
        },
        Operation::ReadKey { version, place } => keys("GET", &format!("/{place}"), *version),
        Operation::Restore { version } => keys("GET", "", *version),
    }
}

fn version_body(auth_data: u64) -> Value {
    json!({ "algorithm": ALGORITHM, "auth_data": { "number": auth_data } })
}

fn upload_body(keys: &Keys) -> Value {
    let mut body = json!({ "rooms": {} });
    for (place, key) in keys {
        let Place { room, session } = place;
        body["rooms"][format!("!room{room}")]["sessions"][format!("session{session}")] = json!({
            "is_verified": !key.unverified,
            "first_message_index": key.first_message_index,
            "forwarded_count": key.forwarded_count,
            "session_data": session_data(*place, *key),
        });
    }
    body
}

/// Tells where a key belongs and how good it is, so that a mixture of two keys would show.
pub(crate) fn session_data(place: Place, key: Key) -> String {
    format!("{place} {key}")
}

/// Reads an answer.
///
/// # Errors
///
/// When a worker may never answer so.
pub(crate) fn reply(operation: &Operation, response: &Response) -> Result<Reply> {
    match response.status {
        200 => Ok(Reply::Answer(success(operation, &response.json()?)?)),
        403 => {
            let body = response.json()?;
            ensure!(body["errcode"] == "M_WRONG_ROOM_KEYS_VERSION", "{body}");
            Ok(Reply::Answer(Answer::WrongVersion { current: number(&body["current_version"])? }))
        }
        404 => Ok(Reply::Answer(Answer::NotFound)),
        429 => Ok(Reply::Refused),
        503 => Ok(Reply::Unknown),
        status => bail!("answered {status}: {}", response.text()),
    }
}

fn success(operation: &Operation, body: &Value) -> Result<Answer> {
    Ok(match operation {
        Operation::CreateVersion { .. } => Answer::Created { version: number(&body["version"])? },
        Operation::DeleteVersion { .. } | Operation::UpdateAuthData { .. } => Answer::Done,
        Operation::ReadVersion { .. } | Operation::Observe => Answer::Version {
            version: number(&body["version"])?,
            etag: number(&body["etag"])?,
            count: body["count"].as_u64().context("no count")?,
            auth_data: auth_data(&body["auth_data"])?,
        },
        Operation::Upload { .. } | Operation::DeleteKeys { .. } => Answer::Changed {
            etag: number(&body["etag"])?,
            count: body["count"].as_u64().context("no count")?,
        },
        Operation::ReadKey { place, .. } => Answer::Key(key(*place, body)?),
        Operation::Restore { .. } => Answer::Keys(keys(body)?),
    })
}

/// Versions and etags are numbers in strings.
fn number(value: &Value) -> Result<u64> {
    let text = value.as_str().with_context(|| format!("not a string: {value}"))?;
    text.parse().with_context(|| format!("not a number: {text}"))
}

/// The number in the `auth_data` that these clients send.
pub(crate) fn auth_data(value: &Value) -> Result<u64> {
    value["number"].as_u64().with_context(|| format!("not what was sent: {value}"))
}

fn keys(body: &Value) -> Result<Keys> {
    let mut keys = Keys::new();
    for (room, sessions) in body["rooms"].as_object().context("no rooms")? {
        for (session, value) in sessions["sessions"].as_object().context("no sessions")? {
            let place = place(room, session)?;
            keys.insert(place, key(place, value)?);
        }
    }
    Ok(keys)
}

/// A place by the names that were sent for it.
pub(crate) fn place(room: &str, session: &str) -> Result<Place> {
    let number = |text: &str, prefix| text.strip_prefix(prefix)?.parse().ok();
    let place = number(room, "!room").zip(number(session, "session"));
    let (room, session) = place.with_context(|| format!("not a place: {room} {session}"))?;
    Ok(Place { room, session })
}

fn key(place: Place, value: &Value) -> Result<Key> {
    let integer = |name: &str| value[name].as_i64().and_then(|number| number.try_into().ok());
    let read = || {
        Some(Key {
            unverified: !value["is_verified"].as_bool()?,
            first_message_index: integer("first_message_index")?,
            forwarded_count: integer("forwarded_count")?,
        })
    };
    let key = read().with_context(|| format!("not a key: {value}"))?;
    ensure!(value["session_data"] == session_data(place, key), "not what was sent: {value}");
    Ok(key)
}
