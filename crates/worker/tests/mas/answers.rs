//! What MAS says of a token, and what a client is told.

use key_backup_testkit::http::Response;
use serde_json::{Value, json};

use crate::{fixture::Fixture, fixture::not_active, service::Answer};

/// What a client is told when MAS says this.
async fn told(fixture: &Fixture, answer: Value) -> Response {
    fixture.mas.answer("mat_1", Answer::Json(answer));
    fixture.get("mat_1").await
}

#[tokio::test]
async fn every_row_of_the_table_has_its_status_code_and_text() {
    let fixture = Fixture::start().await;
    let api = "urn:matrix:org.matrix.msc2967.client:api:*";
    let device = "urn:matrix:org.matrix.msc2967.client:device";
    let two_devices = format!("{api} {device}:A {device}:B");
    let refusal = |error: &str| json!({ "errcode": "M_UNKNOWN_TOKEN", "error": error, "soft_logout": false });
    let unfit = |error: &str| json!({ "errcode": "M_FORBIDDEN", "error": error });
    for (fields, status, body) in [
        (json!({ "active": false }), 401, not_active()),
        (json!({ "expires_in": 0 }), 401, not_active()),
        (json!({ "scope": "openid" }), 401, refusal("Token doesn't grant access to the Matrix C-S API")),
        (json!({ "username": null }), 500, unfit("Invalid username claim in the introspection result")),
        (json!({ "username": "nobody" }), 500, unfit("User not found")),
        (json!({ "username": "ali\0ce" }), 500, unfit("User not found")),
        (json!({ "username": "nobody", "scope": two_devices }), 500, unfit("User not found")),
        (json!({ "scope": two_devices }), 500, unfit("Multiple device IDs in scope")),
        (json!({ "device_id": "" }), 500, unfit("Invalid device ID in introspection result")),
        (json!({ "device_id": "D".repeat(256) }), 500, unfit("Invalid device ID in introspection result")),
        (json!({ "device_id": "D".repeat(255) }), 401, not_active()),
        (json!({ "device_id": "OTHER" }), 401, not_active()),
        (json!({ "device_id": "NUL\0" }), 401, not_active()),
    ] {
        let response = told(&fixture, fixture.good_but(&fields)).await;
        assert_eq!((response.status, response.json().unwrap()), (status, body), "{fields}");
    }
}

#[tokio::test]
async fn answers_that_are_good_let_the_user_in() {
    let fixture = Fixture::start().await;
    let device = &fixture.alice.device_id;
    let unstable = format!(
        "urn:matrix:org.matrix.msc2967.client:api:* urn:matrix:org.matrix.msc2967.client:device:{device}"
    );
    for (token, fields) in [
        ("stable", json!({})),
        ("unstable", json!({ "scope": unstable })),
        ("no-device", json!({ "scope": "urn:matrix:client:api:*" })),
        (
            "field-wins",
            json!({ "scope": "urn:matrix:client:api:* urn:matrix:client:device:X", "device_id": device }),
        ),
        ("compatibility", json!({ "expires_in": null, "device_id": device })),
        ("more-fields", json!({ "exp": "soon", "iat": 1, "token_type": "access_token", "aud": [1.5] })),
    ] {
        fixture.mas.answer(token, Answer::Json(fixture.good_but(&fields)));
        assert!(fixture.is_let_in(token).await, "{token}");
    }
}

#[tokio::test]
async fn a_user_who_is_let_in_has_the_backup_of_that_name() {
    let fixture = Fixture::start().await;
    fixture.let_in("mat_1");
    let path = crate::fixture::VERSION;
    let body = json!({ "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": {} });
    let client = fixture.worker.client().as_user("mat_1");
    assert_eq!(client.post(path, &body).await.unwrap().json().unwrap(), json!({ "version": "1" }));
    let sql = "SELECT user_id FROM e2e_room_keys_versions";
    let row = fixture.database.connect().await.unwrap().query_one(sql, &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), fixture.alice.user_id);
}

#[tokio::test]
async fn a_hidden_device_is_none() {
    let fixture = Fixture::start().await;
    fixture.let_in("mat_1");
    let client = fixture.database.connect().await.unwrap();
    client.execute("UPDATE devices SET hidden = true", &[]).await.unwrap();
    assert!(!fixture.is_let_in("mat_1").await);
}
