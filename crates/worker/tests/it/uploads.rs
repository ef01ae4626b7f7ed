//! Uploads that are refused: what is said, in which order, and that nothing of them is stored.

use key_backup_testkit::http::{Connection, Request};
use serde_json::{Value, json};

use crate::common::{Fixture, VERSION, assert_error, key, keys, ok, session_key};

/// A good key, with the field `name` replaced, or left out where there is no value.
fn with(name: &str, value: Option<Value>) -> Value {
    let mut key = key(0, 0, false);
    match value {
        Some(value) => key[name] = value,
        None => drop(key.as_object_mut().unwrap().remove(name)),
    }
    key
}

#[tokio::test]
async fn an_error_names_the_field_and_nothing_of_the_upload_is_stored() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let client = fixture.as_alice();
    client.put(&session_key(&version, "!r", "a"), &key(5, 0, false)).await.unwrap();
    let integer = |name: &str| format!("{name} must be an integer from -2147483648 to 2147483647");
    let cases = [
        (with("is_verified", None), "M_MISSING_PARAM", "Missing field is_verified".to_owned()),
        (with("session_data", None), "M_MISSING_PARAM", "Missing field session_data".to_owned()),
        (
            with("first_message_index", None),
            "M_MISSING_PARAM",
            "Missing field first_message_index".to_owned(),
        ),
        (with("forwarded_count", Some(json!("0"))), "M_INVALID_PARAM", integer("forwarded_count")),
        (with("forwarded_count", Some(Value::Null)), "M_INVALID_PARAM", integer("forwarded_count")),
        (with("first_message_index", Some(json!(1.5))), "M_INVALID_PARAM", integer("first_message_index")),
        (
            with("first_message_index", Some(json!(1_u64 << 31))),
            "M_INVALID_PARAM",
            integer("first_message_index"),
        ),
        (json!([]), "M_BAD_JSON", " must be an object".to_owned()),
    ];
    for (bad, errcode, error) in cases {
        // A better key for a session that is there and a new one stand before the bad one, and a good one after it.
        let sessions =
            json!({ "a": key(1, 0, false), "b": key(0, 0, false), "s": bad, "z": key(0, 0, false) });
        let body = json!({ "rooms": { "!r": { "sessions": sessions } } });
        let response = client.put(&keys(&version), &body).await.unwrap();
        let path = "rooms.!r.sessions.s";
        let error = match error.strip_prefix("Missing field ") {
            Some(field) => format!("Missing field {path}.{field}"),
            None if error.starts_with(' ') => format!("{path}{error}"),
            None => format!("{path}.{error}"),
        };
        assert_error(&response, 400, errcode, &error);
    }
    let left = json!({ "rooms": { "!r": { "sessions": { "a": key(5, 0, false) } } } });
    assert_eq!(ok(&client.get(&keys(&version)).await.unwrap()), left);
    assert_eq!(ok(&client.get(VERSION).await.unwrap())["etag"], "1");
}

#[tokio::test]
async fn is_verified_has_the_text_that_synapse_has_for_it() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let bad = with("is_verified", Some(json!(0)));
    let response = fixture.as_alice().put(&session_key(&version, "!r", "s"), &bad).await.unwrap();
    let error = "is_verified must be a boolean in keys for session s inroom !r";
    assert_error(&response, 400, "M_INVALID_PARAM", error);
}

#[tokio::test]
async fn numbers_that_synapse_could_not_read_again_are_refused() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let client = fixture.as_alice();
    let integer = "9".repeat(4301);
    for (data, error) in [
        ("1e400", "session_data cannot be stored: a number is too large for a 64-bit float"),
        (&*integer, "session_data cannot be stored: an integer has more than 4300 digits"),
    ] {
        let body = key(0, 0, false).to_string().replace(r#""c""#, data);
        let request = Request::new("PUT", &session_key(&version, "!r", "s")).body(body);
        let response = client.send(request).await.unwrap();
        assert_error(&response, 400, "M_INVALID_PARAM", error);
    }
    assert_eq!(ok(&client.get(&keys(&version)).await.unwrap()), json!({ "rooms": {} }));
}

#[tokio::test]
async fn the_wrong_version_is_told_before_the_bad_key() {
    let fixture = Fixture::start().await;
    let client = fixture.as_alice();
    let bad = json!({ "rooms": 5 });
    let response = client.put(&keys("1"), &bad).await.unwrap();
    assert_error(&response, 404, "M_NOT_FOUND", "Version '1' not found");
    fixture.new_version().await;
    fixture.new_version().await;
    let response = client.put(&keys("1"), &bad).await.unwrap();
    assert_error(&response, 403, "M_WRONG_ROOM_KEYS_VERSION", "Wrong room_keys version");
    assert_error(&client.put(&keys("2"), &bad).await.unwrap(), 400, "M_BAD_JSON", "rooms must be an object");
}

#[tokio::test]
async fn token_body_and_query_are_checked_in_synapses_order() {
    let fixture = Fixture::start().await;
    let (client, path) = (fixture.as_alice(), keys("1").replace("?version=1", ""));
    let put = |path: &str, body: &str| Request::new("PUT", path).body(body);
    let response = fixture.worker.client().send(put(&path, "{")).await.unwrap();
    assert_error(&response, 401, "M_MISSING_TOKEN", "Missing access token");
    let response = client.send(put(&path, "{")).await.unwrap();
    assert_error(&response, 400, "M_NOT_JSON", "Content not JSON.");
    let response = client.send(put(&path, "[]")).await.unwrap();
    assert_error(&response, 400, "M_BAD_JSON", "Content must be a JSON object.");
    let response = client.send(put(&path, "{}")).await.unwrap();
    assert_error(&response, 400, "M_MISSING_PARAM", "Missing string query parameter 'version'");
    let response = client.send(put(&format!("{path}?version=%C3%A9"), "{}")).await.unwrap();
    assert_error(&response, 400, "M_UNKNOWN", "Query parameter 'version' must be ascii");
    let response = client.send(put(&format!("{path}?version="), "{}")).await.unwrap();
    assert_error(&response, 404, "M_NOT_FOUND", "Version '' not found");
    for response in [client.get(&path).await.unwrap(), client.delete(&path).await.unwrap()] {
        assert_error(&response, 400, "M_MISSING_PARAM", "Missing string query parameter 'version'");
    }
}

#[tokio::test]
async fn of_a_body_that_ends_too_early_nothing_is_stored() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let client = fixture.as_alice();
    let body = key(0, 0, false).to_string();
    let request = Request::new("PUT", &session_key(&version, "!r", "s"))
        .bearer(&fixture.alice.access_token)
        .header("Content-Length", (body.len() + 1).to_string())
        .raw_body(body);
    let mut connection = Connection::open(client.address()).await.unwrap();
    connection.send(&request).await.unwrap();
    connection.finish_sending().await.unwrap();
    // The server may answer or just close; it must not take the part for the whole.
    if let Ok(response) = connection.read_response().await {
        assert_eq!(response.status, 400, "{}", response.text());
    }
    assert_eq!(ok(&client.get(&keys(&version)).await.unwrap()), json!({ "rooms": {} }));
}
