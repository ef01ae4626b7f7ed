//! Large bodies: they are refused beyond Synapse's limit, and up to it they cost a bounded amount of memory.

use key_backup_testkit::http::{Connection, Request};
use serde_json::json;

use crate::support::{Fixture, ROOM_KEYS, assert_refused, backup, key};

/// A body of about that many bytes, with as many keys as fit.
fn of_many_keys(bytes: usize) -> (String, usize) {
    let key = key("0");
    let count = bytes / (key.len() + "1234567:,".len());
    let sessions: Vec<String> = (0..count).map(|number| format!(r#""{number}":{key}"#)).collect();
    (format!(r#"{{"rooms":{{"!r":{{"sessions":{{{}}}}}}}}}"#, sessions.join(",")), count)
}

#[tokio::test]
async fn a_body_of_13_mb_is_taken_whatever_is_in_it() {
    let fixture = Fixture::with("enable_media_repo: false\n").await;
    let (body, count) = of_many_keys(13_000_000);
    let stored = fixture.upload(body.clone()).await;
    assert_eq!(stored.json().unwrap(), json!({ "etag": "1", "count": count }), "{}", stored.text());
    let again = fixture.upload(body).await;
    assert_eq!(again.json().unwrap(), json!({ "etag": "1", "count": count }));
    let rooms: Vec<String> =
        (0..400_000).map(|number| format!(r#""!{number}":{{"sessions":{{}}}}"#)).collect();
    let empty = format!(r#"{{"rooms":{{{}}}}}"#, rooms.join(","));
    assert_eq!(fixture.upload(empty).await.status, 200);
    fixture.is_well().await;
    let peak = fixture.peak_memory();
    println!("13 MB of keys: {peak} MiB");
    assert!(peak < 300, "{peak} MiB");
}

#[tokio::test]
async fn a_body_of_52_mb_is_taken_too_and_costs_a_few_copies_of_it() {
    let fixture = Fixture::start().await;
    let around = backup(&key("\"\""));
    let data = "x".repeat(52_428_800 - around.len());
    let stored = fixture.upload(backup(&key(&format!("\"{data}\"")))).await;
    assert_eq!(stored.json().unwrap(), json!({ "etag": "1", "count": 1 }), "{}", stored.text());
    fixture.is_well().await;
    let peak = fixture.peak_memory();
    println!("52 MB of one key: {peak} MiB");
    assert!(peak < 400, "{peak} MiB");
}

#[tokio::test]
async fn bodies_beyond_the_limit_are_413_and_cost_nothing() {
    let fixture = Fixture::start().await;
    let target = format!("{ROOM_KEYS}/keys?version=1");
    let before = fixture.peak_memory();
    for length in ["52428801", "1000000000000", "18446744073709551615"] {
        let request = Request::new("PUT", &target).header("Content-Length", length);
        assert_refused(&fixture.as_alice().send(request).await.unwrap(), 413, "M_TOO_LARGE");
    }
    let grown = fixture.peak_memory() - before;
    assert!(grown < 10, "{grown} MiB");
    fixture.is_well().await;
}

#[tokio::test]
async fn a_body_of_52_mb_in_chunks_is_413_and_the_worker_never_held_much_more() {
    let fixture = Fixture::start().await;
    let head = fixture.head(&format!("PUT {ROOM_KEYS}/keys?version=1"), "Transfer-Encoding: chunked\r\n");
    let mut connection = Connection::open(fixture.worker.address()).await.unwrap();
    connection.send_bytes(head.as_bytes()).await.unwrap();
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 20, "x".repeat(1 << 20));
    for _ in 0..51 {
        // The worker may answer and hang up while the rest is on its way.
        if connection.send_bytes(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    assert_refused(&connection.read_response().await.unwrap(), 413, "M_TOO_LARGE");
    fixture.is_well().await;
    let peak = fixture.peak_memory();
    println!("52 MB in chunks: {peak} MiB");
    assert!(peak < 150, "{peak} MiB");
}

#[tokio::test]
async fn a_body_of_one_byte_chunks_costs_no_more_than_its_bytes() {
    let fixture = Fixture::start().await;
    let head = fixture.head(&format!("PUT {ROOM_KEYS}/keys?version=1"), "Transfer-Encoding: chunked\r\n");
    let before = fixture.peak_memory();
    let chunks = "1\r\n \r\n".repeat(1_000_000);
    let body = "c\r\n{\"rooms\":{}}\r\n0\r\n\r\n";
    let answers = fixture.answers(format!("{head}{chunks}{body}").as_bytes()).await;
    assert_eq!(answers.statuses, [200], "{answers:?}");
    let grown = fixture.peak_memory() - before;
    println!("a million chunks of one byte: {grown} MiB");
    assert!(grown < 50, "{grown} MiB");
    fixture.is_well().await;
}

#[tokio::test]
async fn large_keys_come_back_whole_and_cost_a_few_pages() {
    let fixture = Fixture::start().await;
    let before = fixture.peak_memory();
    // Of all sizes, so that pages end in all ways; the first and the last one are large.
    let keys = fixture.fill(300, "CASE WHEN n % 3 = 0 THEN 10 ELSE 1000000 END").await;
    for counted in [false, true] {
        let target = format!("{ROOM_KEYS}/keys?version=1");
        let mut connection = Connection::open(fixture.worker.address()).await.unwrap();
        let request = Request::new("GET", &target).bearer(&fixture.alice.access_token);
        connection.send(&request).await.unwrap();
        assert_eq!(connection.read_head().await.unwrap().status, 200);
        let (mut bytes, mut sessions) = (0, 0);
        while let Some(part) = connection.read_part().await.unwrap() {
            bytes += part.len();
            sessions += part.split(|byte| *byte == b'@').count() - 1;
        }
        assert_eq!(sessions, keys, "counted: {counted}");
        assert!(bytes > 200_000_000, "{bytes}");
        fixture.is_well().await;
    }
    let room = fixture.as_alice().get(&format!("{ROOM_KEYS}/keys/!room3?version=1")).await.unwrap();
    assert_eq!(room.json().unwrap()["sessions"].as_object().unwrap().len(), 43);
    let grown = fixture.peak_memory() - before;
    println!("200 MB of large keys: {grown} MiB more");
    assert!(grown < 64, "{grown} MiB");
}
