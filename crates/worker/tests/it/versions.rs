//! The five operations on versions.

use key_backup_testkit::http::{Client, Request, Response};
use serde_json::{Value, json};

use crate::common::{ALGORITHM, Fixture, VERSION, assert_error, key, keys, ok, session_key, version_body};

/// The path of one version.
fn path(version: &str) -> String {
    format!("{VERSION}/{version}")
}

async fn upload_one(client: &Client, version: &str) -> Response {
    client.put(&session_key(version, "!r", "s"), &key(0, 0, false)).await.unwrap()
}

#[tokio::test]
async fn a_new_version_is_told_of_as_the_current_one_and_by_its_number() {
    let fixture = Fixture::start().await;
    let client = fixture.as_alice();
    let made = client.post(VERSION, &version_body()).await.unwrap();
    assert_eq!(ok(&made), json!({ "version": "1" }));
    let expected = json!({
        "algorithm": ALGORITHM, "auth_data": { "public_key": "k" }, "count": 0, "etag": "0", "version": "1",
    });
    assert_eq!(ok(&client.get(VERSION).await.unwrap()), expected);
    assert_eq!(ok(&client.get(&path("1")).await.unwrap()), expected);
}

#[tokio::test]
async fn a_user_without_a_backup_has_no_version() {
    let fixture = Fixture::start().await;
    let client = fixture.as_alice();
    assert_error(&client.get(VERSION).await.unwrap(), 404, "M_NOT_FOUND", "No backup found");
    assert_error(&client.get(&path("1")).await.unwrap(), 404, "M_NOT_FOUND", "No backup found");
    let put = client.put(&path("1"), &version_body()).await.unwrap();
    assert_error(&put, 404, "M_NOT_FOUND", "Unknown backup version");
    let deleted = client.delete(&path("1")).await.unwrap();
    assert_error(&deleted, 404, "M_NOT_FOUND", "Unknown backup version");
}

#[tokio::test]
async fn a_backup_belongs_to_one_user() {
    let fixture = Fixture::start().await;
    fixture.new_version().await;
    upload_one(&fixture.as_alice(), "1").await;
    let bob = fixture.database.add_user("bob").await.unwrap();
    let bob = fixture.worker.client().as_user(&bob.access_token);
    assert_eq!(bob.get(VERSION).await.unwrap().status, 404);
    assert_eq!(bob.get(&keys("1")).await.unwrap().status, 404);
    assert_eq!(bob.delete(&path("1")).await.unwrap().status, 404);
    assert_eq!(ok(&bob.post(VERSION, &version_body()).await.unwrap()), json!({ "version": "1" }));
    assert_eq!(ok(&fixture.as_alice().get(VERSION).await.unwrap())["count"], 1);
}

#[tokio::test]
async fn auth_data_of_any_type_comes_back_as_it_was_sent() {
    let fixture = Fixture::start().await;
    let client = fixture.as_alice();
    for auth_data in [r#""text""#, "null", r#"{ "b":1.0, "a":[-0.0,"\u0000é"] }"#, "12345678901234567890123"]
    {
        let body = format!(r#"{{"algorithm":"a","auth_data":{auth_data},"extra":1}}"#);
        let made = client.send(Request::new("POST", VERSION).body(body)).await.unwrap();
        assert_eq!(made.status, 200, "{auth_data}");
        let told = client.get(VERSION).await.unwrap().text();
        assert!(told.contains(&format!(r#""auth_data":{auth_data},"#)), "{told}");
    }
}

#[tokio::test]
async fn a_new_version_needs_algorithm_and_auth_data() {
    let fixture = Fixture::start().await;
    let client = fixture.as_alice();
    let not_text = "algorithm must be a string without U+0000";
    let infinite = "auth_data cannot be stored: a number is too large for a 64-bit float";
    for (body, errcode, error) in [
        (r#"{"auth_data":{}}"#, "M_MISSING_PARAM", "Missing field algorithm"),
        (r#"{"algorithm":"a"}"#, "M_MISSING_PARAM", "Missing field auth_data"),
        (r#"{"algorithm":1,"auth_data":{}}"#, "M_INVALID_PARAM", not_text),
        (r#"{"algorithm":"a\u0000","auth_data":{}}"#, "M_INVALID_PARAM", not_text),
        (r#"{"algorithm":"a","auth_data":1e400}"#, "M_INVALID_PARAM", infinite),
        ("[]", "M_BAD_JSON", "Content must be a JSON object."),
        ("{", "M_NOT_JSON", "Content not JSON."),
    ] {
        let response = client.send(Request::new("POST", VERSION).body(body)).await.unwrap();
        assert_error(&response, 400, errcode, error);
    }
    assert_eq!(client.get(VERSION).await.unwrap().status, 404);
}

#[tokio::test]
async fn changing_auth_data_leaves_etag_and_keys_alone() {
    let fixture = Fixture::start().await;
    fixture.new_version().await;
    let client = fixture.as_alice();
    upload_one(&client, "1").await;
    let body = json!({ "algorithm": ALGORITHM, "auth_data": { "public_key": "other" }, "version": "1" });
    assert_eq!(ok(&client.put(&path("1"), &body).await.unwrap()), json!({}));
    let expected = json!({
        "algorithm": ALGORITHM, "auth_data": { "public_key": "other" }, "count": 1, "etag": "1", "version": "1",
    });
    assert_eq!(ok(&client.get(VERSION).await.unwrap()), expected);
    // Without `auth_data` it succeeds and changes nothing.
    assert_eq!(ok(&client.put(&path("1"), &json!({ "algorithm": ALGORITHM })).await.unwrap()), json!({}));
    assert_eq!(ok(&client.get(VERSION).await.unwrap()), expected);
}

#[tokio::test]
async fn a_version_keeps_its_number_and_its_algorithm() {
    let fixture = Fixture::start().await;
    fixture.new_version().await;
    let client = fixture.as_alice();
    let before = ok(&client.get(VERSION).await.unwrap());
    for version in [json!("2"), json!(1), Value::Null] {
        let mut body = version_body();
        body["version"] = version;
        let response = client.put(&path("1"), &body).await.unwrap();
        assert_error(&response, 400, "M_INVALID_PARAM", "Version in body does not match");
    }
    let other = json!({ "algorithm": "other", "auth_data": {} });
    let response = client.put(&path("1"), &other).await.unwrap();
    assert_error(&response, 400, "M_INVALID_PARAM", "Algorithm does not match");
    // The version in the body is compared before the version is looked up.
    let response = client.put(&path("7"), &json!({ "version": "8" })).await.unwrap();
    assert_error(&response, 400, "M_INVALID_PARAM", "Version in body does not match");
    assert_eq!(ok(&client.get(VERSION).await.unwrap()), before);
}

#[tokio::test]
async fn deleting_the_current_version_makes_the_one_before_current_again() {
    let fixture = Fixture::start().await;
    let client = fixture.as_alice();
    fixture.new_version().await;
    upload_one(&client, "1").await;
    fixture.new_version().await;
    assert_eq!(ok(&client.get(VERSION).await.unwrap())["version"], "2");
    assert_eq!(ok(&client.delete(&path("2")).await.unwrap()), json!({}));
    let current = ok(&client.get(VERSION).await.unwrap());
    assert_eq!(
        (&current["version"], &current["etag"], &current["count"]),
        (&json!("1"), &json!("1"), &json!(1))
    );
    let answer = client.put(&session_key("1", "!r", "t"), &key(0, 0, false)).await.unwrap();
    assert_eq!(ok(&answer), json!({ "etag": "2", "count": 2 }));
}

#[tokio::test]
async fn a_deleted_version_is_gone_and_its_keys_with_it() {
    let fixture = Fixture::start().await;
    let client = fixture.as_alice();
    fixture.new_version().await;
    upload_one(&client, "1").await;
    assert_eq!(ok(&client.delete(&path("1")).await.unwrap()), json!({}));
    let unknown = "Unknown backup version";
    assert_error(&client.get(VERSION).await.unwrap(), 404, "M_NOT_FOUND", "No backup found");
    assert_error(&client.get(&path("1")).await.unwrap(), 404, "M_NOT_FOUND", "No backup found");
    assert_error(&client.get(&keys("1")).await.unwrap(), 404, "M_NOT_FOUND", unknown);
    assert_error(&client.delete(&keys("1")).await.unwrap(), 404, "M_NOT_FOUND", unknown);
    assert_error(&client.put(&path("1"), &version_body()).await.unwrap(), 404, "M_NOT_FOUND", unknown);
    assert_error(&upload_one(&client, "1").await, 404, "M_NOT_FOUND", "Version '1' not found");
    let rows = fixture.database.connect().await.unwrap();
    let left: i64 = rows.query_one("SELECT count(*) FROM e2e_room_keys", &[]).await.unwrap().get(0);
    assert_eq!(left, 0);
    // Deleting it again succeeds; one that never was is unknown.
    assert_eq!(ok(&client.delete(&path("1")).await.unwrap()), json!({}));
    assert_error(&client.delete(&path("2")).await.unwrap(), 404, "M_NOT_FOUND", unknown);
}

#[tokio::test]
async fn the_number_of_a_deleted_version_is_not_given_out_again() {
    let fixture = Fixture::start().await;
    let client = fixture.as_alice();
    assert_eq!(fixture.new_version().await, "1");
    assert_eq!(fixture.new_version().await, "2");
    client.delete(&path("2")).await.unwrap();
    assert_eq!(fixture.new_version().await, "3");
}

#[tokio::test]
async fn older_versions_are_read_and_changed_but_take_no_uploads() {
    let fixture = Fixture::start().await;
    let client = fixture.as_alice();
    fixture.new_version().await;
    upload_one(&client, "1").await;
    fixture.new_version().await;
    fixture.new_version().await;
    let refused = upload_one(&client, "1").await;
    assert_error(&refused, 403, "M_WRONG_ROOM_KEYS_VERSION", "Wrong room_keys version");
    assert_eq!(refused.json().unwrap()["current_version"], "3");
    assert_eq!(ok(&client.get(&keys("1")).await.unwrap())["rooms"]["!r"]["sessions"]["s"], key(0, 0, false));
    let body = json!({ "algorithm": ALGORITHM, "auth_data": 5 });
    assert_eq!(ok(&client.put(&path("1"), &body).await.unwrap()), json!({}));
    assert_eq!(ok(&client.delete(&keys("1")).await.unwrap()), json!({ "etag": "2", "count": 0 }));
    let told = ok(&client.get(&path("1")).await.unwrap());
    assert_eq!((&told["auth_data"], &told["etag"], &told["count"]), (&json!(5), &json!("2"), &json!(0)));
    assert_eq!(ok(&client.get(VERSION).await.unwrap())["version"], "3");
}

#[tokio::test]
async fn only_the_string_that_was_handed_out_names_a_version() {
    let fixture = Fixture::start().await;
    fixture.new_version().await;
    let client = fixture.as_alice();
    for other in ["01", "+1", "%201", "1.0", "0", "-1", "x", "1%00", "99999999999999999999"] {
        assert_error(&client.get(&path(other)).await.unwrap(), 404, "M_NOT_FOUND", "No backup found");
        let unknown = "Unknown backup version";
        assert_error(&client.delete(&path(other)).await.unwrap(), 404, "M_NOT_FOUND", unknown);
        assert_error(&client.get(&keys(other)).await.unwrap(), 404, "M_NOT_FOUND", unknown);
        assert_eq!(upload_one(&client, other).await.status, 404, "{other}");
    }
    assert_eq!(ok(&client.get(&path("%31")).await.unwrap())["version"], "1");
}
