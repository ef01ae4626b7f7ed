//! Requests whose end may be seen in two places: who sees another one than a proxy before us, answers requests that the proxy never saw.

use std::time::Duration;

use key_backup_testkit::http::{Connection, Request};

use crate::support::{Fixture, ROOM_KEYS};

/// What is hidden: if it were answered, the answer would have a body that no other has.
const HIDDEN: &str = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";

const SOON: Duration = Duration::from_secs(10);

const BODY: &str = r#"{"algorithm":"m.test","auth_data":{}}"#;

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// Sends a POST with these headers and this body, and expects that nothing of it is answered but with 400, once, and the end.
async fn is_refused(fixture: &Fixture, headers: &str, body: &str) {
    let head = fixture.head(&format!("POST {ROOM_KEYS}/version"), headers);
    let answers = fixture.answers(format!("{head}{body}").as_bytes()).await;
    assert_eq!((&answers.statuses[..], answers.closed), (&[400][..], true), "{headers:?} {body:?}");
    assert!(!answers.bodies.contains("OK"), "{headers:?} {body:?}: {answers:?}");
}

#[tokio::test]
async fn a_body_with_two_lengths_is_refused_and_nothing_behind_it_is_answered() {
    let fixture = Fixture::start().await;
    let chunked = format!("0\r\n\r\n{HIDDEN}");
    for headers in [
        "Content-Length: 37\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n",
        "Content-Length: 5\r\nTransfer-Encoding:\r\n chunked\r\n",
        "Content-Length: 5\r\nTransfer-Encoding : chunked\r\n",
        "Content-Length: 5\r\n Transfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nX: a\rTransfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: \u{b}chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 500\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 5\r\ncontent-length: 0\r\n",
        "Content-Length : 5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length:\r\n",
        "Content\0-Length: 5\r\n",
    ] {
        is_refused(&fixture, headers, &chunked).await;
    }
    fixture.is_well().await;
}

#[tokio::test]
async fn a_transfer_encoding_other_than_chunked_once_is_refused() {
    let fixture = Fixture::start().await;
    for encoding in [
        "identity",
        "gzip",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, identity",
        "identity, chunked",
        "chunked, chunked",
        "\"chunked\"",
        "chunked;q=1",
        "chunked\r\nTransfer-Encoding: chunked",
        "chunked\r\nTransfer-Encoding: identity",
        "identity\r\nTransfer-Encoding: chunked",
        "",
    ] {
        let body = format!("{}0\r\n\r\n{HIDDEN}", chunk(BODY));
        is_refused(&fixture, &format!("Transfer-Encoding: {encoding}\r\n"), &body).await;
    }
    let head = fixture.head(&format!("POST {ROOM_KEYS}/version"), "Transfer-Encoding: chunked\r\n");
    let old = head.replace("HTTP/1.1", "HTTP/1.0") + "0\r\n\r\n" + HIDDEN;
    assert_eq!(fixture.answers(old.as_bytes()).await.statuses, [400]);
    fixture.is_well().await;
}

/// The HTTP library ends the connection at a broken chunk. Where the request waits for its body by then, it is answered with 400; where the
/// chunk came in one packet with the head, there may be no answer. Nothing behind it is ever read.
#[tokio::test]
async fn a_broken_chunk_ends_the_connection_and_nothing_behind_it_is_answered() {
    let fixture = Fixture::start().await;
    let head = fixture.head(&format!("POST {ROOM_KEYS}/version"), "Transfer-Encoding: chunked\r\n");
    for chunks in [
        "-1\r\nx\r\n0\r\n\r\n",
        "+1\r\nx\r\n0\r\n\r\n",
        "0x1\r\nx\r\n0\r\n\r\n",
        "g\r\nx\r\n0\r\n\r\n",
        "\r\n0\r\n\r\n",
        " 1\r\nx\r\n0\r\n\r\n",
        "1 1\r\nx\r\n0\r\n\r\n",
        "1\nx\r\n0\r\n\r\n",
        "1\rx\r\n0\r\n\r\n",
        "1;\nxx\r\n1\r\nx\r\n0\r\n\r\n",
        "1;a=\"\n\"\r\nx\r\n0\r\n\r\n",
        "1\r\nxy\r\n0\r\n\r\n",
        "1\r\nx0\r\n\r\n",
        "1\r\nx\n0\r\n\r\n",
        "ffffffffffffffff1\r\nx\r\n0\r\n\r\n",
        "11111111111111111111111111111111\r\nx\r\n0\r\n\r\n",
    ] {
        let answers = fixture.answers(format!("{head}{chunks}{HIDDEN}").as_bytes()).await;
        let expected: &[u16] = if answers.statuses.is_empty() { &[] } else { &[400] };
        assert_eq!((&answers.statuses[..], answers.closed), (expected, true), "{chunks:?}");
    }
    fixture.is_well().await;
}

#[tokio::test]
async fn a_body_that_no_request_needs_is_not_taken_for_the_next_request() {
    let fixture = Fixture::start().await;
    let length = format!("Content-Length: {}\r\n", HIDDEN.len());
    let chunks = format!("{}0\r\n\r\n", chunk(HIDDEN));
    for line in [
        format!("GET {ROOM_KEYS}/version"),
        format!("OPTIONS {ROOM_KEYS}/version"),
        format!("DELETE {ROOM_KEYS}/keys?version=1"),
        format!("GET {ROOM_KEYS}/keys?version=1"),
        "GET /nowhere".to_owned(),
        format!("PATCH {ROOM_KEYS}/version"),
    ] {
        for (headers, body) in [(&*length, HIDDEN), ("Transfer-Encoding: chunked\r\n", &chunks)] {
            let request = fixture.head(&line, headers) + body;
            let answers = fixture.answers(request.as_bytes()).await;
            assert_eq!(answers.statuses.len(), 1, "{line} {headers}: {answers:?}");
            assert!(answers.statuses[0] < 500 && !answers.bodies.ends_with("OK"), "{line}: {answers:?}");
        }
    }
    let request = Request::new("HEAD", &format!("{ROOM_KEYS}/version")).body(HIDDEN);
    let mut connection = Connection::open(fixture.worker.address()).await.unwrap();
    assert_eq!(connection.request(&request).await.unwrap().status, 401);
    assert!(connection.is_closed_within(SOON).await, "the body was not read, so that nothing can follow");
    fixture.is_well().await;
}

#[tokio::test]
async fn an_upgrade_that_nobody_offers_hides_nothing() {
    let fixture = Fixture::start().await;
    for headers in [
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
        "Upgrade: TLS/1.0\r\nConnection: Upgrade\r\n",
    ] {
        let request = fixture.head(&format!("GET {ROOM_KEYS}/version"), headers);
        let answers = fixture.answers(request.as_bytes()).await;
        assert_eq!(answers.statuses, [200], "{headers}");
    }
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    assert_eq!(fixture.answers(preface.as_bytes()).await.statuses, [400]);
    let connect = fixture.head("CONNECT example.com:443", "") + HIDDEN;
    let answers = fixture.answers(connect.as_bytes()).await;
    assert!(answers.statuses.len() == 1 && (400..500).contains(&answers.statuses[0]), "{answers:?}");
    fixture.is_well().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order_however_many_come() {
    let fixture = Fixture::start().await;
    let ours = fixture.head(&format!("GET {ROOM_KEYS}/version"), "");
    let answers = fixture.answers(format!("{HIDDEN}{ours}").repeat(500).as_bytes()).await;
    assert_eq!((answers.statuses.len(), answers.closed), (1000, false));
    assert!(answers.statuses.iter().all(|status| *status == 200));
    assert_eq!(answers.bodies.matches("OK{").count(), 500);
    fixture.is_well().await;
}
