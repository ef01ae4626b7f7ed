//! Heads of requests: floods of headers, endless lines, one byte at a time.

use std::time::Duration;

use key_backup_testkit::http::{Connection, Request};

use crate::support::{Fixture, ROOM_KEYS, assert_refused};

/// Longer than any time limit for a head.
const AT_LAST: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_flood_of_headers_is_431_and_the_end() {
    let fixture = Fixture::start().await;
    let line = format!("GET {ROOM_KEYS}/version");
    for count in [97, 10_000] {
        let headers: String = "X-Flood: 0123456789\r\n".repeat(count);
        let answers = fixture.answers(fixture.head(&line, &headers).as_bytes()).await;
        assert_eq!((&answers.statuses[..], answers.closed), (&[431][..], true), "{count}");
    }
    fixture.is_well().await;
}

#[tokio::test]
async fn an_endless_header_or_target_is_431_before_much_of_it_is_kept() {
    let fixture = Fixture::start().await;
    let before = fixture.peak_memory();
    let endless = "x".repeat(30_000_000);
    let header = fixture.head(&format!("GET {ROOM_KEYS}/version"), &format!("X: {endless}\r\n"));
    let target = fixture.head(&format!("GET {ROOM_KEYS}/keys/{endless}"), "");
    let line = format!("GET{}", " ".repeat(1_000_000));
    for bytes in [header, target, line, endless] {
        let answers = fixture.answers(bytes.as_bytes()).await;
        assert!(matches!(answers.statuses[..], [] | [400 | 431]) && answers.closed, "{answers:?}");
    }
    let grown = fixture.peak_memory() - before;
    assert!(grown < 10, "{grown} MiB");
    fixture.is_well().await;
}

#[tokio::test]
async fn a_long_target_is_served_like_any_other() {
    let fixture = Fixture::start().await;
    let client = fixture.as_alice();
    let long = "%C3%A9".repeat(10_000);
    let got = client.get(&format!("{ROOM_KEYS}/keys/{long}?version=1")).await.unwrap();
    assert_eq!((got.status, &*got.text()), (200, r#"{"sessions":{}}"#));
    let query = format!("{}version=1", "a=b&;".repeat(10_000));
    assert_eq!(client.get(&format!("{ROOM_KEYS}/keys?{query}")).await.unwrap().status, 200);
    // Synapse's columns are indexed, and an index holds no such name.
    let body = crate::support::key("1");
    let stored = client.send(Request::new("PUT", &format!("{ROOM_KEYS}/keys/{long}/s?version=1")).body(body));
    let stored = stored.await.unwrap();
    assert!(stored.status < 500, "{}", stored.text());
    fixture.is_well().await;
}

#[tokio::test]
async fn bytes_that_are_no_http_are_400_and_the_end() {
    let fixture = Fixture::start().await;
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(30);
    let binary: Vec<u8> = (0..=255).cycle().take(5_000).collect();
    let head = fixture.head(&format!("GET {ROOM_KEYS}/version"), "");
    for bytes in [
        tls,
        binary,
        b"\0\0\0\0\r\n\r\n".to_vec(),
        head.replace("GET", "G\0T").into_bytes(),
        head.replace("/version", "/version\0").into_bytes(),
        head.replace("/version", "/ver sion").into_bytes(),
        head.replace("HTTP/1.1", "HTTP/9.9").into_bytes(),
        head.replace("HTTP/1.1", "").into_bytes(),
        head.replace("Host: x", "Host: x\0").into_bytes(),
        head.replace("Host: x", "Host x").into_bytes(),
        head.replace("Host: x\r\n", "").into_bytes(),
        head.replace("Host: x", "Host: x\r\nHost: y").into_bytes(),
        head.replace("Host", "H\u{e9}st").into_bytes(),
    ] {
        let answers = fixture.answers(&bytes).await;
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!((&answers.statuses[..], answers.closed), (&[400][..], true), "{text:?}");
    }
    fixture.is_well().await;
}

#[tokio::test]
async fn odd_values_of_headers_that_are_read_are_never_a_server_error() {
    let fixture = Fixture::start().await;
    let long = "x".repeat(60_000);
    let odd: [&[u8]; 7] =
        [b"", b"\xff\xfe", b"\t", b"a\tb", long.as_bytes(), b"\"'\\{}%s%n", "é😀".as_bytes()];
    for name in ["X-Forwarded-For", "User-Agent", "X-Request-Id", "Host", "Content-Type", "Range", "Expect"] {
        for value in odd {
            let mut bytes = format!("GET {ROOM_KEYS}/version HTTP/1.1\r\n").into_bytes();
            if name != "Host" {
                bytes.extend(b"Host: x\r\n");
            }
            bytes.extend(format!("Authorization: Bearer {}\r\n{name}: ", fixture.alice.access_token).bytes());
            bytes.extend([value, b"\r\n\r\n"].concat());
            let answers = fixture.answers(&bytes).await;
            assert!(answers.statuses.len() == 1 && answers.statuses[0] < 500, "{name}: {answers:?}");
        }
    }
    fixture.is_well().await;
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_served_and_one_that_never_ends_is_ended() {
    let fixture = Fixture::start().await;
    let mut slow = Connection::open(fixture.worker.address()).await.unwrap();
    for byte in fixture.head(&format!("GET {ROOM_KEYS}/version"), "").bytes() {
        slow.send_bytes(&[byte]).await.unwrap();
    }
    assert_eq!(slow.read_response().await.unwrap().status, 200);
    let mut endless = Connection::open(fixture.worker.address()).await.unwrap();
    endless.send_bytes(b"GET /health HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    let ended = tokio::time::timeout(AT_LAST, endless.read_response()).await.expect("it is ended");
    assert!(ended.is_err() || ended.is_ok_and(|answer| answer.status == 408));
    fixture.is_well().await;
}

#[tokio::test]
async fn methods_that_nobody_knows_are_405_and_unknown_paths_404() {
    let fixture = Fixture::start().await;
    let long = "A".repeat(10_000);
    for method in ["TRACE", "PROPFIND", "get", "X", &long, "X-Y"] {
        let client = fixture.as_alice();
        let known = client.send(Request::new(method, &format!("{ROOM_KEYS}/version"))).await.unwrap();
        assert_eq!(known.status, 405, "{method}");
        assert_refused(&known, 405, "M_UNRECOGNIZED");
        let unknown = client.send(Request::new(method, "/nowhere")).await.unwrap();
        assert_refused(&unknown, 404, "M_UNRECOGNIZED");
    }
    fixture.is_well().await;
}
