//! Connections: old and new HTTP, several requests on one.

use key_backup_testkit::http::{Connection, Request};
use serde_json::json;

use crate::common::{Fixture, SOON, VERSION, key, keys, ok, session_key};

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let token = &fixture.alice.access_token;
    let mut connection = Connection::open(fixture.worker.address()).await.unwrap();
    for number in 1..=20 {
        let path = session_key(&version, "!r", &number.to_string());
        let put = Request::new("PUT", &path).bearer(token).json(&key(0, 0, false));
        assert_eq!(ok(&connection.request(&put).await.unwrap())["count"], number);
        let unknown = connection.request(&Request::new("GET", "/nowhere")).await.unwrap();
        assert_eq!(unknown.status, 404);
        let got = connection.request(&Request::new("GET", &path).bearer(token)).await.unwrap();
        assert_eq!(ok(&got), key(0, 0, false));
    }
}

#[tokio::test]
async fn after_a_body_that_was_not_read_the_connection_goes_on_or_its_end_is_announced() {
    let fixture = Fixture::start().await;
    let token = &fixture.alice.access_token;
    let large = "x".repeat(1_000_000);
    for request in [
        Request::new("GET", VERSION).bearer(token).body("{\"some\":\"body\"}"),
        Request::new("PUT", &keys("1")).body("{}"),
        Request::new("PUT", &keys("1")).chunked(&[b"{}"]),
        Request::new("POST", "/nowhere").body(large),
    ] {
        let mut connection = Connection::open(fixture.worker.address()).await.unwrap();
        let response = connection.request(&request).await.unwrap();
        assert!((400..500).contains(&response.status), "{}", response.status);
        if response.header("Connection") == Some("close") {
            assert!(connection.is_closed_within(SOON).await);
        } else {
            let next = Request::new("GET", VERSION).bearer(token);
            assert_eq!(connection.request(&next).await.unwrap().status, 404);
        }
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let token = &fixture.alice.access_token;
    let path = session_key(&version, "!r", "s");
    let mut bytes = Request::new("PUT", &path).bearer(token).json(&key(0, 0, false)).to_bytes();
    bytes.extend(Request::new("GET", &path).bearer(token).to_bytes());
    bytes.extend(Request::new("DELETE", &path).bearer(token).to_bytes());
    bytes.extend(Request::new("GET", &path).bearer(token).to_bytes());
    let mut connection = Connection::open(fixture.worker.address()).await.unwrap();
    connection.send_bytes(&bytes).await.unwrap();
    assert_eq!(ok(&connection.read_response().await.unwrap()), json!({ "etag": "1", "count": 1 }));
    assert_eq!(ok(&connection.read_response().await.unwrap()), key(0, 0, false));
    assert_eq!(ok(&connection.read_response().await.unwrap()), json!({ "etag": "2", "count": 0 }));
    assert_eq!(connection.read_response().await.unwrap().status, 404);
}

#[tokio::test]
async fn http_1_0_is_answered_whole_and_the_connection_closed() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    fixture.as_alice().put(&session_key(&version, "!r", "s"), &key(0, 0, false)).await.unwrap();
    let mut connection = Connection::open(fixture.worker.address()).await.unwrap();
    let request = Request::new("GET", &keys(&version)).http10().bearer(&fixture.alice.access_token);
    let response = connection.request(&request).await.unwrap();
    assert_eq!(ok(&response)["rooms"]["!r"]["sessions"]["s"], key(0, 0, false));
    assert_eq!(response.header("Content-Length"), Some(&*response.body.len().to_string()));
    assert_eq!(response.header("Transfer-Encoding"), None);
    assert!(connection.is_closed_within(SOON).await);
}

#[tokio::test]
async fn connection_close_is_heeded() {
    let fixture = Fixture::start().await;
    let mut connection = Connection::open(fixture.worker.address()).await.unwrap();
    let request = Request::new("GET", "/health").header("Connection", "close");
    assert_eq!(connection.request(&request).await.unwrap().status, 200);
    assert!(connection.is_closed_within(SOON).await);
}
