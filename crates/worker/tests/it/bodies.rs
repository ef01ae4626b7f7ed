//! How the body of a request travels: its limit, its framing, its headers.

use key_backup_testkit::http::{Connection, Request, Response};
use serde_json::json;

use crate::common::{Fixture, assert_error, key, keys, ok, session_key};

/// The limit without Synapse's media repository.
const SMALLEST_LIMIT: usize = 13_107_200;

/// A key whose JSON is that long, in bytes.
fn key_of_length(length: usize) -> String {
    let around = r#"{"first_message_index":0,"forwarded_count":0,"is_verified":false,"session_data":""}"#;
    let data = "x".repeat(length - around.len());
    around.replace(r#""session_data":"""#, &format!(r#""session_data":"{data}""#))
}

async fn put(fixture: &Fixture, version: &str, request: impl FnOnce(Request) -> Request) -> Response {
    let path = session_key(version, "!r", "s");
    fixture.as_alice().send(request(Request::new("PUT", &path))).await.unwrap()
}

fn too_large(response: &Response, limit: usize) {
    assert_error(response, 413, "M_TOO_LARGE", &format!("Request content is too large (>{limit})"));
}

#[tokio::test]
async fn a_body_up_to_the_limit_is_taken_and_one_byte_more_is_413() {
    let fixture = Fixture::with("enable_media_repo: false\nmax_upload_size: 60M\n").await;
    let version = fixture.new_version().await;
    let response = put(&fixture, &version, |request| request.body(key_of_length(SMALLEST_LIMIT))).await;
    assert_eq!(ok(&response), json!({ "etag": "1", "count": 1 }));
    // The server need not read the body to know, so that only the head is sent.
    let head = |request: Request| request.header("Content-Length", (SMALLEST_LIMIT + 1).to_string());
    too_large(&put(&fixture, &version, head).await, SMALLEST_LIMIT);
}

#[tokio::test]
async fn a_body_of_unknown_length_is_413_as_soon_as_it_passes_the_limit() {
    let fixture = Fixture::with("max_upload_size: 1M\n").await;
    let version = fixture.new_version().await;
    let path = session_key(&version, "!r", "s");
    let head =
        Request::new("PUT", &path).bearer(&fixture.alice.access_token).header("Transfer-Encoding", "chunked");
    let mut connection = Connection::open(fixture.worker.address()).await.unwrap();
    connection.send(&head).await.unwrap();
    let mut chunk = format!("{:x}\r\n", SMALLEST_LIMIT + 1).into_bytes();
    chunk.extend(vec![b'x'; SMALLEST_LIMIT + 1]);
    chunk.extend(b"\r\n");
    connection.send_bytes(&chunk).await.unwrap();
    // The body has no end yet.
    too_large(&connection.read_response().await.unwrap(), SMALLEST_LIMIT);
    assert_eq!(ok(&fixture.as_alice().get(&keys(&version)).await.unwrap()), json!({ "rooms": {} }));
}

#[tokio::test]
async fn max_upload_size_raises_the_limit() {
    let fixture = Fixture::with("max_upload_size: 14M\n").await;
    let version = fixture.new_version().await;
    let limit = 14 * 1024 * 1024;
    let length = |length: usize| move |request: Request| request.header("Content-Length", length.to_string());
    too_large(&put(&fixture, &version, length(limit + 1)).await, limit);
    let response = put(&fixture, &version, |request| request.body(key_of_length(SMALLEST_LIMIT + 1))).await;
    assert_eq!(response.status, 200, "{}", response.text());
}

#[tokio::test]
async fn a_body_is_json_whatever_its_content_type_says() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    for content_type in
        [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("nonsense")]
    {
        let response = put(&fixture, &version, |request| {
            let request = request.body(key(0, 0, false).to_string());
            content_type.map_or(request.clone(), |value| request.header("Content-Type", value))
        })
        .await;
        assert_eq!(response.status, 200, "{content_type:?}");
    }
    // Synapse does not look at Content-Encoding either: what gzip makes is no JSON.
    let gzip =
        |request: Request| request.header("Content-Encoding", "gzip").body(&b"\x1f\x8b\x08\x00\x00"[..]);
    assert_error(&put(&fixture, &version, gzip).await, 400, "M_NOT_JSON", "Content not JSON.");
}

#[tokio::test]
async fn a_chunked_body_is_put_together() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let body = key(3, 0, true).to_string().into_bytes();
    let chunks: Vec<&[u8]> = body.chunks(7).collect();
    let response = put(&fixture, &version, |request| request.chunked(&chunks)).await;
    assert_eq!(ok(&response), json!({ "etag": "1", "count": 1 }));
    let got = fixture.as_alice().get(&session_key(&version, "!r", "s")).await.unwrap();
    assert_eq!(ok(&got), key(3, 0, true));
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_gets_it() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let body = key(0, 0, false).to_string();
    let head = Request::new("PUT", &session_key(&version, "!r", "s"))
        .bearer(&fixture.alice.access_token)
        .header("Expect", "100-continue")
        .header("Content-Length", body.len().to_string());
    let mut connection = Connection::open(fixture.worker.address()).await.unwrap();
    connection.send(&head).await.unwrap();
    assert_eq!(connection.read_head().await.unwrap().status, 100);
    connection.send_bytes(body.as_bytes()).await.unwrap();
    assert_eq!(connection.read_response().await.unwrap().status, 200);
}
