//! Bodies that no client sends: what is in them, and how they come.

use key_backup_testkit::http::{Connection, Request, Response};
use serde_json::json;

use crate::support::{Fixture, ROOM_KEYS, assert_refused, backup, key};

/// Sends a body to each of the five operations that take one.
async fn everywhere(fixture: &Fixture, body: &[u8]) -> Vec<Response> {
    let mut answers = Vec::new();
    for (method, rest) in [
        ("POST", "version"),
        ("PUT", "version/1"),
        ("PUT", "keys?version=1"),
        ("PUT", "keys/!r?version=1"),
        ("PUT", "keys/!r/s?version=1"),
    ] {
        let request = Request::new(method, &format!("{ROOM_KEYS}/{rest}")).body(body);
        answers.push(fixture.as_alice().send(request).await.unwrap());
    }
    answers
}

/// Nothing is stored, and no version made.
async fn nothing_has_changed(fixture: &Fixture) {
    let version = fixture.as_alice().get(&format!("{ROOM_KEYS}/version")).await.unwrap().json().unwrap();
    assert_eq!(
        (&version["version"], &version["count"], &version["etag"]),
        (&json!("1"), &json!(0), &json!("0"))
    );
    fixture.is_well().await;
}

#[tokio::test]
async fn what_is_no_json_object_is_400_everywhere() {
    let fixture = Fixture::start().await;
    let deep = "[".repeat(1_000_000);
    let deep_object = r#"{"a":"#.repeat(200_000);
    let closed = format!("{}1{}", r#"{"a":"#.repeat(5_000), "}".repeat(5_000));
    let bodies: [&[u8]; 20] = [
        b"",
        b" ",
        b"{",
        b"{}x",
        b"{}\0",
        b"\0{}",
        b"\0",
        b"{\"a\":NaN}",
        b"{\"a\":-Infinity}",
        b"\xef\xbb\xbf{}",
        b"{\"a\":\"\xff\"}",
        b"{\"\xc0\x80\":1}",
        b"\xff\xfe{\0}\0",
        b"{\"a\":\"\xed\xa0\x80\"}",
        b"{'a':1}",
        b"{\"a\":01}",
        b"{\"a\":\"\n\"}",
        deep.as_bytes(),
        deep_object.as_bytes(),
        closed.as_bytes(),
    ];
    for body in bodies {
        for answer in everywhere(&fixture, body).await {
            assert_refused(&answer, 400, "M_NOT_JSON");
        }
    }
    for body in ["[]", "null", "1e999", "\"{}\"", "true", "[[[[[]]]]]"] {
        for answer in everywhere(&fixture, body.as_bytes()).await {
            assert_refused(&answer, 400, "M_BAD_JSON");
        }
    }
    nothing_has_changed(&fixture).await;
}

#[tokio::test]
async fn what_cannot_be_stored_is_400_and_changes_nothing() {
    let fixture = Fixture::start().await;
    let long = "9".repeat(1_000_000);
    let exponent = format!("1e{long}");
    let deep = format!("{}{}", "[".repeat(895), "]".repeat(895));
    for data in ["1e400", "-1e400", &long, &exponent, "[[1e999999999]]", r#"{"a":{"b":1E+400}}"#] {
        assert_refused(&fixture.upload(backup(&key(data))).await, 400, "M_INVALID_PARAM");
    }
    for index in ["1.0", "1e0", "2147483648", "-2147483649", "null", "\"1\"", "[]", "true", &long, &exponent]
    {
        let body =
            key("1").replace(r#""first_message_index":0"#, &format!(r#""first_message_index":{index}"#));
        assert_refused(&fixture.upload(backup(&body)).await, 400, "M_INVALID_PARAM");
    }
    for name in [r"\u0000", r"a\u0000b"] {
        let body = backup(&key("1"));
        assert_refused(&fixture.upload(body.replace("!r", name)).await, 400, "M_INVALID_PARAM");
        assert_refused(
            &fixture.upload(body.replace("\"s\"", &format!("\"{name}\""))).await,
            400,
            "M_INVALID_PARAM",
        );
    }
    for name in [r"\ud800", r"\udc00\ud800", r"\ud800x"] {
        assert_refused(&fixture.upload(backup(&key("1")).replace("!r", name)).await, 400, "M_BAD_JSON");
    }
    assert_refused(&fixture.upload(backup(&key(&format!("[[[[[{deep}]]]]]")))).await, 400, "M_NOT_JSON");
    nothing_has_changed(&fixture).await;
    assert_eq!(fixture.upload(backup(&key(&deep))).await.status, 200, "890 levels can be read again");
}

#[tokio::test]
async fn of_a_million_values_of_one_name_the_last_one_counts() {
    let fixture = Fixture::start().await;
    let wrong = r#""is_verified":5,"#.repeat(500_000);
    let body =
        backup(&key("\"kept\"")).replace(r#""is_verified":false"#, &format!(r#"{wrong}"is_verified":true"#));
    assert_eq!(fixture.upload(body).await.json().unwrap(), json!({ "etag": "1", "count": 1 }));
    let sessions = format!(r#""s":{},"#, key("1")).repeat(50_000);
    let body = format!(r#"{{"rooms":{{"!r":{{"sessions":{{{sessions}"t":{}}}}}}}}}"#, key("2"));
    assert_eq!(fixture.upload(body).await.json().unwrap(), json!({ "etag": "2", "count": 2 }));
    let kept = fixture.as_alice().get(&format!("{ROOM_KEYS}/keys/!r/s?version=1")).await.unwrap();
    assert_eq!(kept.json().unwrap()["session_data"], "kept");
    fixture.is_well().await;
}

#[tokio::test]
async fn a_compressed_body_is_not_unpacked() {
    let fixture = Fixture::start().await;
    let gzip = [&b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"[..], &[0xed; 1000]].concat();
    for encoding in ["gzip", "deflate", "br", "zstd", "gzip, gzip", "identity", "nonsense"] {
        let target = format!("{ROOM_KEYS}/keys?version=1");
        let request = Request::new("PUT", &target).header("Content-Encoding", encoding);
        let packed = fixture.as_alice().send(request.clone().body(gzip.clone())).await.unwrap();
        assert_refused(&packed, 400, "M_NOT_JSON");
        // Synapse ignores the header, too.
        let plain = fixture.as_alice().send(request.body(r#"{"rooms":{}}"#)).await.unwrap();
        assert_eq!(plain.status, 200, "{encoding}");
    }
    nothing_has_changed(&fixture).await;
}

#[tokio::test]
async fn a_body_of_which_the_end_never_comes_stores_nothing() {
    let fixture = Fixture::start().await;
    let body = backup(&key("1"));
    let line = format!("PUT {ROOM_KEYS}/keys?version=1");
    let head = fixture.head(&line, &format!("Content-Length: {}\r\n", body.len() + 1));
    let chunked = fixture.head(&line, "Transfer-Encoding: chunked\r\n");
    let chunk = format!("{:x}\r\n{body}\r\n", body.len());
    for bytes in [format!("{head}{body}"), format!("{chunked}{chunk}"), format!("{chunked}{chunk}0\r\n")] {
        let mut connection = Connection::open(fixture.worker.address()).await.unwrap();
        connection.send_bytes(bytes.as_bytes()).await.unwrap();
        connection.finish_sending().await.unwrap();
        let answer = connection.read_response().await;
        assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 400), "{bytes}");
    }
    nothing_has_changed(&fixture).await;
}

#[tokio::test]
async fn expectations_do_not_confuse_the_end_of_a_body() {
    let fixture = Fixture::start().await;
    let line = format!("PUT {ROOM_KEYS}/keys?version=1");
    let body = r#"{"rooms":{}}"#;
    for expect in ["100-continue", "100-Continue", "200-ok", "100-continue, 100-continue", "\"", ""] {
        let headers = format!("Expect: {expect}\r\nContent-Length: {}\r\n", body.len());
        // The body comes at once, as of a client that does not wait.
        let answers = fixture.answers((fixture.head(&line, &headers) + body).as_bytes()).await;
        let last = answers.statuses.last();
        assert!(
            answers.statuses.len() == 1 && last.is_some_and(|status| *status < 500),
            "{expect}: {answers:?}"
        );
    }
    nothing_has_changed(&fixture).await;
}
