//! What has to be true of every body, for cargo-fuzz and for the test that replays what it found.

use std::collections::{BTreeMap, HashMap};

use serde::de::IgnoredAny;
use serde_json::{Map, Value, json, value::RawValue};

use crate::{
    BodyError, JsonTextError, MAX_DEPTH, RoomId, SessionId, UploadRow, fields,
    upload::{ContentError, Place, Problem, parse},
};

/// Rows by room and session: the two indexes, whether verified, the data.
type Rows = BTreeMap<(String, String), (i64, i64, bool, Value)>;

/// Reads the body as each of the shapes in which one may come.
///
/// # Panics
///
/// When something is not as it has to be.
pub fn body(data: &[u8]) {
    let (room, session) = (RoomId::from_column("!r"), SessionId::from_column("s"));
    upload(data, &Place::Backup);
    upload(data, &Place::Room(room.clone()));
    upload(data, &Place::Session(room, session));
    // A name that is no Unicode is JSON, too, but no field that we could ask for.
    if !data.contains(&b'\\') {
        same_outer_error(data, fields(data).err());
    }
    if let (Ok(fields), Ok(Value::Object(object))) = (fields(data), serde_json::from_slice(data)) {
        assert_eq!(values(&fields), object, "the fields of a body are not those that were sent");
    }
}

fn upload(data: &[u8], place: &Place) {
    let outcome = parse(data, place);
    same_outer_error(data, outcome.as_ref().err().copied());
    let Ok(content) = outcome else { return };
    match &content {
        Ok(rows) => reads_again(rows),
        Err(error) => assert!(!error.to_string().is_empty() && error.path().len() <= data.len() * 3 + 64),
    }
    // The plain reader gives up where ours need not: deep nesting, lone surrogates, numbers beyond a float.
    if let Ok(Value::Object(object)) = serde_json::from_slice(data)
        && !object.values().any(has_float_zero)
    {
        agrees(&content, plain(&object, place), data.len());
    }
}

/// A body is refused as a whole exactly where it is no JSON object.
fn same_outer_error(data: &[u8], error: Option<BodyError>) {
    let text = str::from_utf8(data).ok().filter(|text| depth(text) <= MAX_DEPTH);
    let is_json = text.is_some_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    let is_object = text.is_some_and(|text| text.trim_start().starts_with('{'));
    let expected = match (is_json, is_object) {
        (false, _) => Some(BodyError::NotJson),
        (true, false) => Some(BodyError::NotAnObject),
        (true, true) => None,
    };
    assert_eq!(error, expected);
}

/// Counted on its own, character by character.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for character in text.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            '[' | '{' if !in_string => depth += 1,
            ']' | '}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// What was accepted is sorted, without doubles, and the same once it has been written and read again.
fn reads_again(rows: &[UploadRow]) {
    let place = |row: &UploadRow| (row.room_id.clone(), row.session_id.clone());
    assert!(rows.is_sorted_by(|left, right| place(left) < place(right)), "rows are not sorted, or double");
    for row in rows {
        let key = &row.key;
        assert!(serde_json::from_str::<IgnoredAny>(key.session_data.as_str()).is_ok());
        let text = format!(
            r#"{{"first_message_index":{},"forwarded_count":{},"is_verified":{},"session_data":{}}}"#,
            key.first_message_index,
            key.forwarded_count,
            key.is_verified,
            key.session_data.as_str()
        );
        let place = Place::Session(row.room_id.clone(), row.session_id.clone());
        assert_eq!(parse(text.as_bytes(), &place), Ok(Ok(vec![row.clone()])));
    }
}

fn agrees(content: &Result<Vec<UploadRow>, ContentError>, plain: Option<Rows>, length: usize) {
    match (content, plain) {
        (Ok(rows), Some(plain)) => {
            let rows: Rows = rows.iter().map(entry).collect();
            assert_eq!(rows, plain, "the rows are not what was sent");
        }
        (Ok(_), None) => panic!("a body was accepted that has a mistake in it"),
        (Err(error), Some(_)) => {
            let too_long = Problem::Value(JsonTextError::IntegerTooLong);
            assert!(error.problem() == too_long && length > 4300, "a good body was refused: {error}");
        }
        (Err(_), None) => {}
    }
}

fn entry(row: &UploadRow) -> ((String, String), (i64, i64, bool, Value)) {
    let key = &row.key;
    let data = serde_json::from_str(key.session_data.as_str()).unwrap_or_default();
    let place = (row.room_id.to_string(), row.session_id.to_string());
    (place, (key.first_message_index.into(), key.forwarded_count.into(), key.is_verified, data))
}

/// The rows of a body, read without any haste; `None` if anything in it is wrong.
fn plain(body: &Map<String, Value>, place: &Place) -> Option<Rows> {
    let body = Value::Object(body.clone());
    let rooms = match place {
        Place::Backup => body.get("rooms")?.clone(),
        Place::Room(room) => json!({ room.as_str(): body }),
        Place::Session(room, session) => json!({ room.as_str(): { "sessions": { session.as_str(): body } } }),
    };
    let mut rows = Rows::new();
    for (room, content) in rooms.as_object()? {
        for (session, key) in content.as_object()?.get("sessions")?.as_object()? {
            if session.contains('\0') {
                return None;
            }
            rows.insert((room.clone(), session.clone()), plain_key(key)?);
        }
        if room.contains('\0') {
            return None;
        }
    }
    Some(rows)
}

fn plain_key(key: &Value) -> Option<(i64, i64, bool, Value)> {
    let index = |name: &str| integer(key.get(name)?);
    let data = key.get("session_data")?.clone();
    Some((index("first_message_index")?, index("forwarded_count")?, key.get("is_verified")?.as_bool()?, data))
}

fn integer(value: &Value) -> Option<i64> {
    value.as_i64().filter(|integer| i32::try_from(*integer).is_ok())
}

/// `serde_json` makes a float of `-0`, which is an integer, and of `-0.0`, which is none.
fn has_float_zero(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64() && number.as_f64() == Some(0.0),
        Value::Array(items) => items.iter().any(has_float_zero),
        Value::Object(fields) => fields.values().any(has_float_zero),
        _ => false,
    }
}

fn values(fields: &HashMap<String, &RawValue>) -> Map<String, Value> {
    let value = |raw: &RawValue| serde_json::from_str(raw.get()).unwrap_or_default();
    fields.iter().map(|(name, raw)| (name.clone(), value(raw))).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn what_fuzzing_found_worth_keeping_is_still_read_right() {
        for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/body")).unwrap() {
            super::body(&fs::read(file.unwrap().path()).unwrap());
        }
    }
}
