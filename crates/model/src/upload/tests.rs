use super::*;

fn key(index: i32) -> String {
    format!(
        r#"{{"first_message_index":{index},"forwarded_count":0,"is_verified":false,"session_data":{{"i":{index}}}}}"#
    )
}

fn backup(body: &str) -> Result<Vec<UploadRow>, ContentError> {
    parse(body.as_bytes(), &Place::Backup).expect("the body is an object")
}

/// Each row as `room session index`.
fn places(rows: &[UploadRow]) -> Vec<String> {
    rows.iter()
        .map(|row| format!("{} {} {}", row.room_id, row.session_id, row.key.first_message_index))
        .collect()
}

fn session_place() -> Place {
    Place::Session(RoomId::new("!r").unwrap(), SessionId::new("s").unwrap())
}

#[test]
fn rows_come_sorted_by_room_and_session() {
    let body = format!(
        r#"{{"rooms":{{"!b":{{"sessions":{{"z":{},"a":{}}}}},"!a":{{"sessions":{{"m":{}}}}}}}}}"#,
        key(1),
        key(2),
        key(3)
    );
    assert_eq!(places(&backup(&body).unwrap()), ["!a m 3", "!b a 2", "!b z 1"]);
}

#[test]
fn the_three_shapes_name_the_same_key() {
    let room = RoomId::new("!r").unwrap();
    let sessions = format!(r#"{{"sessions":{{"s":{}}}}}"#, key(7));
    let whole = backup(&format!(r#"{{"rooms":{{"!r":{sessions}}}}}"#)).unwrap();
    assert_eq!(parse(sessions.as_bytes(), &Place::Room(room)), Ok(Ok(whole.clone())));
    assert_eq!(parse(key(7).as_bytes(), &session_place()), Ok(Ok(whole)));
}

#[test]
fn session_data_keeps_its_spelling() {
    let data = r#"{ "b":1.0, "a":-0.0,"n":123456789012345678901234567890,"s":"\u0000\ud83d" }"#;
    let body = format!(
        r#"{{"first_message_index":0,"forwarded_count":0,"is_verified":true,"session_data":{data}}}"#
    );
    let rows = parse(body.as_bytes(), &session_place()).unwrap().unwrap();
    assert_eq!(rows[0].key.session_data.as_str(), data);
}

#[test]
fn of_names_that_occur_twice_the_last_counts_and_what_it_hides_cannot_be_wrong() {
    let body = format!(
        r#"{{"rooms":5,"rooms":{{"!r":[],"!r":{{"sessions":null,"sessions":{{"s":true,"s":{},"s":{}}}}}}}}}"#,
        key(1),
        key(2)
    );
    assert_eq!(places(&backup(&body).unwrap()), ["!r s 2"]);
    let fields = r#"{"is_verified":3,"first_message_index":1e400,"forwarded_count":0,"is_verified":true,"first_message_index":4,"session_data":0}"#;
    assert_eq!(parse(fields.as_bytes(), &session_place()).unwrap().unwrap()[0].key.first_message_index, 4);
}

#[test]
fn fields_without_meaning_are_skipped() {
    let body = format!(r#"{{"x":[{{}}],"rooms":{{"!r":{{"sessions":{{"s":{}}},"y":1}}}},"z":null}}"#, key(1));
    assert_eq!(backup(&body).unwrap().len(), 1);
}

#[test]
fn empty_rooms_and_sessions_are_an_upload_of_nothing() {
    assert_eq!(backup(r#"{"rooms":{}}"#), Ok(vec![]));
    assert_eq!(backup(r#"{"rooms":{"!r":{"sessions":{}}}}"#), Ok(vec![]));
}

#[test]
fn an_error_names_the_path_of_the_field() {
    let cases = [
        (r"{}", "Missing field rooms"),
        (r#"{"rooms":[1,[2]]}"#, "rooms must be an object"),
        (r#"{"rooms":{"!r":"x"}}"#, "rooms.!r must be an object"),
        (r#"{"rooms":{"!r":{}}}"#, "Missing field rooms.!r.sessions"),
        (r#"{"rooms":{"!r":{"sessions":{"s":1.5}}}}"#, "rooms.!r.sessions.s must be an object"),
        (
            r#"{"rooms":{"!r":{"sessions":{"s":{}}}}}"#,
            "Missing field rooms.!r.sessions.s.first_message_index",
        ),
        (r#"{"rooms":{"a\u0000":{"sessions":{}}}}"#, "a name in rooms holds U+0000, which cannot be stored"),
        (
            r#"{"rooms":{"\ud800":{"sessions":{}}}}"#,
            "a name in the body is not Unicode, which cannot be stored",
        ),
    ];
    for (body, message) in cases {
        assert_eq!(backup(body).unwrap_err().to_string(), message, "{body}");
    }
}

#[test]
fn fields_of_a_key_have_their_types() {
    let good = key(1);
    let cases = [
        (r#""first_message_index":1"#, r#""first_message_index":true"#, Problem::NotAnInteger),
        (r#""first_message_index":1"#, r#""first_message_index":2147483648"#, Problem::NotAnInteger),
        (r#""first_message_index":1"#, r#""first_message_index":1.0"#, Problem::NotAnInteger),
        (r#""forwarded_count":0"#, r#""forwarded_count":null"#, Problem::NotAnInteger),
        (r#""forwarded_count":0"#, r#""forwarded_count":"0""#, Problem::NotAnInteger),
        (r#""is_verified":false"#, r#""is_verified":"false""#, Problem::NotABoolean),
        (r#""is_verified":false"#, r#""is_verified":0"#, Problem::NotABoolean),
        (r#"{"i":1}"#, "1e999", Problem::Value(crate::JsonTextError::InfiniteNumber)),
    ];
    for (from, to, problem) in cases {
        let body = good.replace(from, to);
        assert_ne!(body, good);
        let error = parse(body.as_bytes(), &session_place()).unwrap().unwrap_err();
        assert_eq!(error.problem(), problem, "{body}");
    }
}

#[test]
fn an_error_knows_its_room_and_session_in_every_shape() {
    let bad = key(1).replace("false", "1");
    let sessions = format!(r#"{{"sessions":{{"s":{bad}}}}}"#);
    let bodies = [
        (Place::Backup, format!(r#"{{"rooms":{{"!r":{sessions}}}}}"#)),
        (Place::Room(RoomId::new("!r").unwrap()), sessions),
        (session_place(), bad),
    ];
    for (place, body) in bodies {
        let error = parse(body.as_bytes(), &place).unwrap().unwrap_err();
        assert_eq!(error.room_and_session(&place), Some(("!r", "s")));
    }
}

#[test]
fn what_is_not_json_or_not_an_object_is_told_apart() {
    let deep = format!(r#"{{"rooms":{}{}}}"#, "[".repeat(900), "]".repeat(900));
    for body in
        ["", " ", "{", "{}x", "NaN", r#"{"rooms":NaN}"#, "\u{feff}{}", "[1", r#"{"a":"#, r#"{"a":1,}"#, &deep]
    {
        assert_eq!(parse(body.as_bytes(), &Place::Backup), Err(BodyError::NotJson), "{body:?}");
    }
    assert_eq!(parse(b"{\"\xff\":1}", &Place::Backup), Err(BodyError::NotJson));
    for body in ["[]", "1", "null", "\"x\"", " true "] {
        assert_eq!(parse(body.as_bytes(), &Place::Backup), Err(BodyError::NotAnObject), "{body:?}");
    }
}
