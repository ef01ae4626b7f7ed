//! Who may enter.

use key_backup_testkit::http::{Request, Response};
use serde_json::json;

use crate::common::{Fixture, VERSION, assert_error, ok};

async fn get(fixture: &Fixture, request: Request) -> Response {
    fixture.worker.client().send(request).await.unwrap()
}

#[tokio::test]
async fn a_token_comes_in_the_header_or_in_the_query() {
    let fixture = Fixture::start().await;
    fixture.new_version().await;
    let token = &fixture.alice.access_token;
    assert_eq!(get(&fixture, Request::new("GET", VERSION).bearer(token)).await.status, 200);
    let in_query = format!("{VERSION}?access_token={token}");
    assert_eq!(get(&fixture, Request::new("GET", &in_query)).await.status, 200);
}

#[tokio::test]
async fn a_request_without_one_proper_token_is_refused_with_synapses_words() {
    let fixture = Fixture::start().await;
    let token = &fixture.alice.access_token;
    let request = || Request::new("GET", VERSION);
    let mixed = format!("{VERSION}?access_token=");
    for (request, error) in [
        (request(), "Missing access token"),
        (request().header("Authorization", token), "Invalid Authorization header."),
        (request().header("Authorization", format!("bearer {token}")), "Invalid Authorization header."),
        (request().header("Authorization", format!("Bearer  {token}")), "Invalid Authorization header."),
        (request().bearer(token).bearer(token), "Too many Authorization headers."),
        (
            Request::new("GET", &mixed).bearer(token),
            "Mixing Authorization headers and access_token query parameters.",
        ),
    ] {
        assert_error(&get(&fixture, request).await, 401, "M_MISSING_TOKEN", error);
    }
}

#[tokio::test]
async fn an_unknown_token_is_no_soft_logout() {
    let fixture = Fixture::start().await;
    let empty = format!("{VERSION}?access_token=");
    let with_nul = format!("{VERSION}?access_token=a%00b");
    let not_ascii = format!("{VERSION}?access_token=%C3%A9");
    for request in [
        Request::new("GET", VERSION).bearer("syt_nobody"),
        Request::new("GET", VERSION).header("Authorization", b"Bearer \xc3\xa9"),
        Request::new("GET", &empty),
        Request::new("GET", &with_nul),
        Request::new("GET", &not_ascii),
    ] {
        let response = get(&fixture, request).await;
        assert_error(&response, 401, "M_UNKNOWN_TOKEN", "Invalid access token passed.");
        assert_eq!(response.json().unwrap()["soft_logout"], false);
    }
}

#[tokio::test]
async fn a_token_ends_with_its_logout() {
    let fixture = Fixture::start().await;
    fixture.new_version().await;
    fixture.database.log_out(&fixture.alice.access_token).await.unwrap();
    let response = fixture.as_alice().get(VERSION).await.unwrap();
    assert_error(&response, 401, "M_UNKNOWN_TOKEN", "Invalid access token passed.");
    let again = fixture.database.add_device(&fixture.alice.user_id).await.unwrap();
    let client = fixture.worker.client().as_user(&again.access_token);
    assert_eq!(ok(&client.get(VERSION).await.unwrap())["version"], "1");
}

#[tokio::test]
async fn an_expired_token_is_a_soft_logout() {
    let fixture = Fixture::start().await;
    let token = &fixture.alice.access_token;
    fixture.database.expire_token(token, 4_000_000_000_000).await.unwrap();
    assert_eq!(fixture.as_alice().get(VERSION).await.unwrap().status, 404);
    fixture.database.expire_token(token, 1_000).await.unwrap();
    let response = fixture.as_alice().get(VERSION).await.unwrap();
    assert_error(&response, 401, "M_UNKNOWN_TOKEN", "Access token has expired");
    assert_eq!(response.json().unwrap()["soft_logout"], true);
}

#[tokio::test]
async fn a_locked_account_is_refused_until_it_is_unlocked() {
    let fixture = Fixture::start().await;
    fixture.database.set_locked(&fixture.alice.user_id, true).await.unwrap();
    let response = fixture.as_alice().get(VERSION).await.unwrap();
    assert_error(&response, 401, "M_USER_LOCKED", "User account has been locked");
    assert_eq!(response.json().unwrap()["soft_logout"], true);
    fixture.database.set_locked(&fixture.alice.user_id, false).await.unwrap();
    assert_eq!(fixture.as_alice().get(VERSION).await.unwrap().status, 404);
}

#[tokio::test]
async fn guests_have_no_backup() {
    let fixture = Fixture::start().await;
    let guest = fixture.database.add_guest("guest").await.unwrap();
    let response = fixture.worker.client().as_user(&guest.access_token).get(VERSION).await.unwrap();
    assert_error(&response, 403, "M_GUEST_ACCESS_FORBIDDEN", "Guest access not allowed");
}

#[tokio::test]
async fn a_puppet_token_opens_the_backup_of_the_puppeted_user() {
    let fixture = Fixture::start().await;
    fixture.new_version().await;
    let admin = fixture.database.add_user("admin").await.unwrap();
    let token = fixture.database.add_puppet_token(&admin.user_id, &fixture.alice.user_id).await.unwrap();
    let puppet = fixture.worker.client().as_user(&token);
    assert_eq!(ok(&puppet.get(VERSION).await.unwrap())["version"], "1");
    assert_eq!(fixture.worker.client().as_user(&admin.access_token).get(VERSION).await.unwrap().status, 404);
    // It is the puppeted user's account that must not be locked.
    fixture.database.set_locked(&admin.user_id, true).await.unwrap();
    assert_eq!(puppet.get(VERSION).await.unwrap().status, 200);
    fixture.database.set_locked(&fixture.alice.user_id, true).await.unwrap();
    assert_eq!(puppet.get(VERSION).await.unwrap().status, 401);
}

#[tokio::test]
async fn the_first_use_of_a_token_is_noted_and_later_ones_write_nothing() {
    let fixture = Fixture::start().await;
    let client = fixture.database.connect().await.unwrap();
    let row = async || {
        let sql = "SELECT used, xmin::text FROM access_tokens WHERE token = $1";
        let row = client.query_one(sql, &[&fixture.alice.access_token]).await.unwrap();
        (row.get::<_, bool>(0), row.get::<_, String>(1))
    };
    assert!(!row().await.0);
    assert_eq!(fixture.worker.client().send(Request::new("OPTIONS", VERSION)).await.unwrap().status, 204);
    assert!(!row().await.0);
    fixture.as_alice().get(VERSION).await.unwrap();
    let after_the_first = row().await;
    assert!(after_the_first.0);
    fixture.as_alice().get(VERSION).await.unwrap();
    assert_eq!(row().await, after_the_first);
}

#[tokio::test]
async fn an_expired_token_is_not_noted_as_used() {
    let fixture = Fixture::start().await;
    fixture.database.expire_token(&fixture.alice.access_token, 1_000).await.unwrap();
    assert_eq!(fixture.as_alice().get(VERSION).await.unwrap().status, 401);
    let client = fixture.database.connect().await.unwrap();
    let used: bool = client.query_one("SELECT used FROM access_tokens", &[]).await.unwrap().get(0);
    assert!(!used);
}

#[tokio::test]
async fn user_id_and_device_id_in_the_query_mean_nothing_with_a_users_token() {
    let fixture = Fixture::start().await;
    fixture.new_version().await;
    fixture.database.add_user("bob").await.unwrap();
    let path = format!("{VERSION}?user_id=@bob:example.com&device_id=NONE");
    assert_eq!(ok(&fixture.as_alice().get(&path).await.unwrap())["auth_data"], json!({ "public_key": "k" }));
}
