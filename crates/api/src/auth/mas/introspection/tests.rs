//! Answers of every kind.

use serde_json::{Value, json};

use super::*;

/// A good answer with these fields in the place of its own.
fn read(fields: Value) -> Result<Introspection, (u16, String)> {
    let mut answer = json!({ "active": true, "scope": API[0], "username": "alice", "sub": "1" });
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    answer.as_object_mut().unwrap().extend(fields);
    read_text(&answer.to_string())
}

fn read_text(body: &str) -> Result<Introspection, (u16, String)> {
    Introspection::read(body.as_bytes()).map_err(|error| (error.parts().0, error.parts().2.into_owned()))
}

fn device(fields: Value) -> Result<Option<String>, &'static str> {
    read(fields).unwrap().device_id
}

fn scope(words: &[&str]) -> Value {
    let words = [&API[..1], words].concat().join(" ");
    json!({ "scope": words })
}

const UNREADABLE: u16 = 503;

#[test]
fn both_spellings_of_the_api_scope_are_good_among_other_words() {
    for api in API {
        for scope in [api.to_owned(), format!("openid  {api} email")] {
            assert_eq!(read(json!({ "scope": scope })).unwrap().username, "alice");
        }
    }
}

#[test]
fn words_of_the_scope_are_split_at_spaces_and_compared_whole() {
    let refusal = (401, "Token doesn't grant access to the Matrix C-S API".to_owned());
    for scope in [
        String::new(),
        "openid".to_owned(),
        API[0].to_uppercase(),
        format!("{}x", API[0]),
        format!("openid\t{}", API[0]),
        format!("openid\u{a0}{}", API[0]),
        "urn:matrix:client:api:%2A".to_owned(),
    ] {
        assert_eq!(read(json!({ "scope": scope })), Err(refusal.clone()), "{scope:?}");
    }
    assert_eq!(read(json!({ "scope": null })), Err(refusal));
}

#[test]
fn a_token_that_is_not_active_or_over_is_refused() {
    let refusal = Err((401, "Token is not active".to_owned()));
    assert_eq!(read_text(r#"{"active": false}"#), refusal);
    for expires_in in ["0", "-1", "-99999999999999999999999"] {
        let text = format!(r#"{{"active": true, "expires_in": {expires_in}}}"#);
        assert_eq!(read_text(&text), refusal, "{text}");
    }
}

#[test]
fn a_user_must_be_named() {
    let unfit = Err((500, "Invalid username claim in the introspection result".to_owned()));
    assert_eq!(read(json!({ "username": null })), unfit);
    assert_eq!(read(json!({ "username": "" })).unwrap().username, "");
}

#[test]
fn types_are_strict_and_null_is_no_value() {
    for text in [
        "",
        "null",
        "[]",
        "1",
        "\"active\"",
        "{",
        "{\"active\": true} x",
        "{}",
        "{\"active\": null}",
        "{\"active\": 1}",
        "{\"active\": \"true\"}",
        "\u{feff}{\"active\": false}",
        "{\"active\": NaN}",
    ] {
        assert_eq!(read_text(text).unwrap_err().0, UNREADABLE, "{text}");
    }
    for expires_in in ["1.0", "1e2", "\"60\"", "true", "[]"] {
        let text = format!(r#"{{"active": false, "expires_in": {expires_in}}}"#);
        assert_eq!(read_text(&text).unwrap_err().0, UNREADABLE, "{text}");
    }
    for name in ["scope", "username", "sub", "device_id"] {
        for value in [json!(1), json!(true), json!(["a"]), json!({})] {
            assert_eq!(read(json!({ name: value })).unwrap_err().0, UNREADABLE, "{name}: {value}");
        }
    }
    let nulls = json!({ "expires_in": null, "device_id": null, "sub": null, "exp": "soon" });
    assert_eq!(read(nulls).unwrap().device_id, Ok(None));
}

#[test]
fn the_last_of_repeated_fields_counts() {
    let refused = read_text(r#"{"active": true, "active": false}"#);
    assert_eq!(refused, Err((401, "Token is not active".to_owned())));
}

#[test]
fn the_device_is_in_the_scope_in_either_spelling_or_both() {
    for prefix in DEVICE {
        assert_eq!(device(scope(&[&format!("{prefix}ABC")])), Ok(Some("ABC".to_owned())));
        assert_eq!(device(scope(&[&format!("{prefix}a%2Fb:c")])), Ok(Some("a%2Fb:c".to_owned())));
    }
    let both = DEVICE.map(|prefix| format!("{prefix}ABC"));
    assert_eq!(device(scope(&[&both[0], &both[1]])), Ok(Some("ABC".to_owned())));
    assert_eq!(device(scope(&[])), Ok(None));
}

#[test]
fn two_different_devices_in_the_scope_are_too_many() {
    let words = [format!("{}A", DEVICE[0]), format!("{}B", DEVICE[1])];
    let two = scope(&[&words[0], &words[1]]);
    assert_eq!(device(two.clone()), Err("Multiple device IDs in scope"));
    let mut with_field = two;
    with_field["device_id"] = "C".into();
    assert_eq!(device(with_field), Ok(Some("C".to_owned())), "the field wins");
}

#[test]
fn a_device_has_1_to_255_characters() {
    let invalid = Err("Invalid device ID in introspection result");
    assert_eq!(device(json!({ "device_id": "" })), invalid);
    assert_eq!(device(scope(&[DEVICE[0]])), invalid);
    assert_eq!(device(json!({ "device_id": "é".repeat(256) })), invalid);
    assert_eq!(device(json!({ "device_id": "é".repeat(255) })), Ok(Some("é".repeat(255))));
}

#[test]
fn an_answer_is_remembered_for_two_minutes_or_until_the_token_ends() {
    for (expires_in, seconds) in
        [("null", 120), ("1", 1), ("119", 119), ("300", 120), ("99999999999999999999999", 120)]
    {
        let text = format!(
            r#"{{"active": true, "scope": "{}", "username": "a", "expires_in": {expires_in}}}"#,
            API[0]
        );
        assert_eq!(read_text(&text).unwrap().lifetime(), Duration::from_secs(seconds), "{expires_in}");
    }
}
