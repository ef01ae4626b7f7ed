//! Bodies of uploads against a plain model that reads them with `serde_json::Value`.

use std::collections::BTreeMap;

use key_backup_model::{
    BodyError, RoomId, SessionId, UploadRow,
    upload::{Place, parse},
};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, value::RawValue};

use crate::{
    config,
    json::{entry, id, object, spelled, value},
};

/// Mostly what the field takes, sometimes something else, sometimes nothing, sometimes two.
fn field(name: &'static str, good: impl Strategy<Value = String> + 'static) -> BoxedStrategy<Vec<String>> {
    let name = || spelled(Just(name.to_owned()));
    let good = good.boxed();
    prop_oneof![
        60 => vec(entry(name(), good.clone()), 1),
        1 => vec(entry(name(), value()), 1),
        1 => Just(Vec::new()),
        2 => (entry(name(), value()), entry(name(), good)).prop_map(|(hidden, counts)| vec![hidden, counts]),
    ]
    .boxed()
}

fn integer() -> impl Strategy<Value = String> {
    let numbers = vec![0, 1, -1, i64::from(i32::MAX), i64::from(i32::MIN), 1 << 31, -(1 << 31) - 1];
    prop_oneof![20 => any::<i32>().prop_map(i64::from), 1 => select(numbers)]
        .prop_map(|number| number.to_string())
}

/// Fields in any order, where those of the same name keep theirs.
fn key() -> BoxedStrategy<String> {
    let fields = [
        field("first_message_index", integer()),
        field("forwarded_count", integer()),
        field("is_verified", any::<bool>().prop_map(|value| value.to_string())),
        field("session_data", value()),
        vec(entry(id(), value()), 0..2).boxed(),
    ];
    let shuffled = Vec::from(fields).prop_shuffle().prop_map(|fields: Vec<Vec<String>>| fields.concat());
    prop_oneof![60 => object(shuffled), 1 => value()].boxed()
}

/// An object whose field of that name is what it takes, mostly, behind others that mean nothing.
fn only(name: &'static str, inner: impl Strategy<Value = String> + 'static) -> BoxedStrategy<String> {
    let entries = (vec(entry(id(), value()), 0..2), field(name, inner));
    prop_oneof![60 => object(entries.prop_map(|(others, field)| [others, field].concat())), 1 => value()]
        .boxed()
}

fn sessions() -> BoxedStrategy<String> {
    only("sessions", object(vec(entry(id(), key()), 0..5)))
}

fn backup() -> BoxedStrategy<String> {
    only("rooms", object(vec(entry(id(), sessions()), 0..4)))
}

/// A key by its room and session, as the model reads it.
type Rows = BTreeMap<(String, String), (i64, i64, bool, Value)>;

/// The rows of a body of that depth: 2 for a backup, 1 for a room, 0 for a key. `None` where anything is wrong with it.
fn model(body: &Value, depth: u32, place: [&str; 2]) -> Option<Rows> {
    let fields = body.as_object()?;
    if depth == 0 {
        let number = |name: &str| fields.get(name)?.as_i64().filter(|number| i32::try_from(*number).is_ok());
        let data = fields.get("session_data")?.clone();
        let key = (
            number("first_message_index")?,
            number("forwarded_count")?,
            fields.get("is_verified")?.as_bool()?,
            data,
        );
        return Some(Rows::from([((place[0].to_owned(), place[1].to_owned()), key)]));
    }
    let name = if depth == 2 { "rooms" } else { "sessions" };
    let mut rows = Rows::new();
    for (id, inner) in fields.get(name)?.as_object()? {
        let place = if depth == 2 { [id, place[1]] } else { [place[0], id] };
        rows.extend(model(inner, depth - 1, place).filter(|_| !id.contains('\0'))?);
    }
    Some(rows)
}

fn to_model(rows: &[UploadRow]) -> Rows {
    let of_row = |row: &UploadRow| {
        let data = serde_json::from_str(row.key.session_data.as_str()).unwrap();
        let index = i64::from(row.key.first_message_index);
        let place = (row.room_id.as_str().to_owned(), row.session_id.as_str().to_owned());
        (place, (index, i64::from(row.key.forwarded_count), row.key.is_verified, data))
    };
    rows.iter().map(of_row).collect()
}

fn check(body: &str, depth: u32, place: &Place) -> Result<(), TestCaseError> {
    let expected = model(&serde_json::from_str(body).unwrap(), depth, ["!r", "s"]);
    let parsed = parse(body.as_bytes(), place);
    if serde_json::from_str::<Value>(body).unwrap().is_object() {
        let rows = parsed.unwrap().ok();
        prop_assert_eq!(rows.as_deref().map(to_model), expected);
        let places = |row: &UploadRow| (row.room_id.clone(), row.session_id.clone());
        prop_assert!(rows.iter().all(|rows| rows.is_sorted_by(|left, right| places(left) < places(right))));
        prop_assert!(rows.iter().flatten().all(|row| body.contains(row.key.session_data.as_str())));
    } else {
        prop_assert_eq!(parsed, Err(BodyError::NotAnObject));
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn a_backup_is_read_as_the_model_reads_it(body in backup()) {
        check(&body, 2, &Place::Backup)?;
    }

    #[test]
    fn a_room_is_read_as_the_model_reads_it(body in sessions()) {
        check(&body, 1, &Place::Room(RoomId::new("!r").unwrap()))?;
    }

    #[test]
    fn a_key_is_read_as_the_model_reads_it(body in key()) {
        check(&body, 0, &Place::Session(RoomId::new("!r").unwrap(), SessionId::new("s").unwrap()))?;
    }

    #[test]
    fn session_data_keeps_its_spelling(data in value()) {
        let body = format!(
            r#"{{"first_message_index":0,"forwarded_count":0,"is_verified":true,"session_data": {data} }}"#
        );
        let place = Place::Session(RoomId::new("!r").unwrap(), SessionId::new("s").unwrap());
        let rows = parse(body.as_bytes(), &place).unwrap().unwrap();
        prop_assert_eq!(rows[0].key.session_data.as_str(), data.trim());
    }

    #[test]
    fn a_damaged_body_is_told_from_a_whole_one(
        body in backup(),
        at in any::<prop::sample::Index>(),
        byte in prop_oneof![any::<u8>().prop_map(Some), select(b"{}[]\",:\\0e-".to_vec()).prop_map(Some), Just(None)],
    ) {
        let mut bytes = body.into_bytes();
        let at = at.index(bytes.len());
        match byte {
            Some(byte) => bytes.insert(at, byte),
            None => drop(bytes.remove(at)),
        }
        let text = str::from_utf8(&bytes).ok();
        let json = text.filter(|text| serde_json::from_str::<&RawValue>(text).is_ok());
        let parsed = parse(&bytes, &Place::Backup);
        match json {
            None => prop_assert_eq!(parsed, Err(BodyError::NotJson)),
            Some(json) if json.trim_start().starts_with('{') => prop_assert!(parsed.is_ok()),
            Some(_) => prop_assert_eq!(parsed, Err(BodyError::NotAnObject)),
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(prop_oneof![any::<u8>(), select(b"{}[]\":,\\1".to_vec())], 0..60)) {
        let _ = parse(&bytes, &Place::Backup);
    }
}
