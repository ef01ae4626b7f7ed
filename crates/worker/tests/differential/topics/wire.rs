//! Requests whose HTTP is odd, or broken.

use serde_json::{Value, json};

use crate::{
    known::Known,
    sequence::{Sequence, Step, bytes, get, sequence},
    stated::{Answered, answered, bad_request, error, nothing},
};

pub(super) fn sequences() -> Vec<Sequence> {
    [bodies(), broken(), strict(), targets(), limits()].concat()
}

const BODY: &str = r#"{"algorithm":"m.test","auth_data":{}}"#;
const CHUNKED_BODY: &str = "25\r\n{\"algorithm\":\"m.test\",\"auth_data\":{}}\r\n0\r\n\r\n";

/// A new version, with these headers behind those that it needs.
fn post(headers: &str, body: &str) -> Step {
    bytes(&format!(
        "POST /_matrix/client/v3/room_keys/version HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {{token}}\r\n{headers}\r\n{body}"
    ))
}

/// A request without a body that begins with this line.
fn line(line: &str, headers: &str) -> Step {
    bytes(&format!("{line}\r\n{headers}Authorization: Bearer {{token}}\r\n\r\n"))
}

fn no_backup() -> Answered {
    error(404, "M_NOT_FOUND", "No backup found")
}

fn bodies() -> Vec<Sequence> {
    let extended = format!("25;x=y\r\n{BODY}\r\n0\r\nTrailer: x\r\n\r\n");
    vec![
        sequence(
            "chunks with extensions and trailers",
            [
                post("Transfer-Encoding: chunked\r\n", &extended),
                post("transfer-encoding: Chunked\r\n", CHUNKED_BODY),
            ],
        ),
        sequence("an empty line before a request", [line("\r\nGET /health HTTP/1.1", "Host: x\r\n")]),
        sequence("a header of another case and with odd spaces", [post("cOnTent-lEngth:37   \r\n", BODY)]),
    ]
}

/// What neither takes.
fn broken() -> Vec<Sequence> {
    let lengths = ["abc", "-1", "+37", "0x25", "37, 38"];
    let headers = ["nonsense\r\n", "Content-Length : 37\r\n", "X: a\0b\r\n", ": x\r\n"];
    let lines = [
        "G@T /_matrix/client/v3/room_keys/version HTTP/1.1",
        "GET /_matrix/client/v3/room_keys/version HTTP/2.0",
        "GET /_matrix/client/v3/room_keys/version HTTP/1.2",
        "GET /_matrix/client/v3/room_keys/version",
        "GET /_matrix/client/v3/room_keys/a b HTTP/1.1",
    ];
    let framing = [
        ("Content-Length: 37\r\nTransfer-Encoding: chunked\r\n", CHUNKED_BODY),
        ("Content-Length: 37\r\nContent-Length: 38\r\n", BODY),
        ("Content-Length: 37\r\nContent-Length: 37\r\n", BODY),
        ("Transfer-Encoding: gzip\r\n", BODY),
        ("Transfer-Encoding: gzip, chunked\r\n", CHUNKED_BODY),
    ];
    vec![
        sequence(
            "lengths that are none",
            lengths.map(|length| post(&format!("Content-Length: {length}\r\n"), BODY)),
        ),
        sequence(
            "headers that are none",
            headers.map(|header| post(&format!("{header}Content-Length: 37\r\n"), BODY)),
        ),
        sequence("request lines that are none", lines.map(|text| line(text, "Host: x\r\n"))),
        sequence(
            "two framings of one body, and unknown ones",
            framing.map(|(headers, body)| post(headers, body)),
        ),
    ]
}

/// What only the worker refuses.
fn strict() -> Vec<Sequence> {
    let made = |version: &str| answered(200, json!({ "version": version }));
    let strict = |step: Step, synapse| step.differs(Known::StrictHttp, synapse, bad_request());
    let get = |headers: &str| line("GET /_matrix/client/v3/room_keys/version HTTP/1.1", headers);
    vec![
        sequence(
            "a request names one host",
            [strict(get(""), no_backup()), strict(get("Host: a\r\nHost: b\r\n"), no_backup())],
        ),
        sequence(
            "headers are not folded, and identity is no encoding",
            [
                strict(post("X: a\r\n b\r\nContent-Length: 37\r\n", BODY), made("1")),
                strict(post("Transfer-Encoding: identity\r\nContent-Length: 37\r\n", BODY), made("2")),
            ],
        ),
    ]
}

fn targets() -> Vec<Sequence> {
    let strict = |step: Step, synapse, worker| step.differs(Known::StrictTarget, synapse, worker);
    let unrecognized = error(404, "M_UNRECOGNIZED", "Unrecognized request");
    let fragment = line("GET /_matrix/client/v3/room_keys/version#x HTTP/1.1", "Host: x\r\n");
    let html = "\n<html>\n  <head><title>404 - No Such Resource</title></head>\n  <body>\n    <h1>No Such Resource</h1>\n    <p>Sorry. No luck finding that resource.</p>\n  </body>\n</html>\n";
    let relative = line("GET room_keys/version HTTP/1.1", "Host: x\r\n");
    vec![sequence(
        "a target is a path without a fragment",
        [
            strict(fragment, unrecognized, no_backup()),
            strict(relative, answered(404, html.into()), bad_request()),
            strict(line("OPTIONS * HTTP/1.1", "Host: x\r\n"), nothing(), answered(204, Value::Null)),
        ],
    )]
}

fn limits() -> Vec<Sequence> {
    let long = "a".repeat(17_000);
    let line = |count: usize, value: &str| {
        let mut step = get("version");
        for _ in 0..count {
            step = step.header("X-Header", value);
        }
        step
    };
    let known = |step: Step, synapse, worker| step.differs(Known::HeadLimits, synapse, worker);
    let unknown = error(404, "M_NOT_FOUND", "Unknown backup version");
    vec![sequence(
        "the head of a request",
        [
            line(90, "x"),
            known(line(120, "x"), no_backup(), answered(431, Value::Null)),
            known(line(1, &long), nothing(), no_backup()),
            known(get(&format!("keys/{long}?version=1")), nothing(), unknown),
        ],
    )]
}
