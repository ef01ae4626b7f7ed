//! What is a JSON object, and what is not.

use serde_json::{Value, json};

use crate::{
    known::Known,
    sequence::{Sequence, get, new_version, post_text, put_text, request, sequence},
    stated::{answered, error},
};

pub(super) fn sequences() -> Vec<Sequence> {
    [not_json(), not_objects(), content_types(), odd_but_good(), vec![form()]].concat()
}

fn sent_to_all(name: &str, bodies: &[&[u8]]) -> Sequence {
    let steps = bodies.iter().flat_map(|body| {
        [
            ("POST", "version"),
            ("PUT", "version/1"),
            ("PUT", "keys?version=1"),
            ("PUT", "keys/!r?version=1"),
            ("PUT", "keys/!r/s?version=1"),
        ]
        .map(|(method, target)| {
            request(method, target).header("Content-Type", "application/json").body(*body)
        })
    });
    sequence(name, [new_version()].into_iter().chain(steps).chain([get("version")]))
}

fn not_json() -> Vec<Sequence> {
    let table: [(&str, &[&[u8]]); 9] = [
        ("an empty body is not JSON", &[b"", b" "]),
        ("text is not JSON", &[b"x", b"rooms=1", b"'{}'", b"{rooms:{}}", b"{'rooms':{}}"]),
        ("JSON that ends early", &[b"{", b"{\"rooms\":", b"{\"rooms\":{}", b"[1,"]),
        ("text after JSON", &[b"{\"rooms\":{}}x", b"{} {}", b"{},"]),
        (
            "numbers that are none",
            &[
                b"{\"rooms\":NaN}",
                b"{\"rooms\":Infinity}",
                b"{\"a\":-Infinity}",
                b"{\"a\":01}",
                b"{\"a\":.5}",
            ],
        ),
        ("a byte order mark", &[b"\xef\xbb\xbf{}"]),
        ("bytes that are not UTF-8", &[b"{\"a\":\"\xff\"}", b"\xff\xfe{\x00}\x00", b"{\"\xc3\x28\":1}"]),
        ("control characters in strings", &[b"{\"a\":\"\n\"}", b"{\"a\":\"\x00\"}", b"{\"a\\x\":1}"]),
        ("comments and trailing commas", &[b"{/**/}", b"{\"a\":1,}", b"[1,]", b"{} // x"]),
    ];
    table.map(|(name, bodies)| sent_to_all(name, bodies)).to_vec()
}

fn not_objects() -> Vec<Sequence> {
    vec![sent_to_all(
        "JSON that is no object",
        &[b"[]", b"\"rooms\"", b"1", b"null", b"true", b" [ {} ] ", b"-0.0"],
    )]
}

fn content_types() -> Vec<Sequence> {
    let upload = |content_type: &str| {
        request("PUT", "keys?version=1").header("Content-Type", content_type).body(r#"{"rooms":{}}"#)
    };
    let types =
        ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "", "x"];
    let bare = request("PUT", "keys?version=1").body(r#"{"rooms":{}}"#);
    vec![
        sequence(
            "the Content-Type of a body means nothing",
            [new_version(), bare].into_iter().chain(types.map(upload)),
        ),
        sequence(
            "a Content-Encoding is not undone",
            [
                new_version(),
                put_text("keys?version=1", r#"{"rooms":{}}"#).header("Content-Encoding", "gzip"),
                request("PUT", "keys?version=1")
                    .header("Content-Encoding", "gzip")
                    .body(b"\x1f\x8b\x08\x00\x00\x00".as_slice()),
                put_text("keys?version=1", r#"{"rooms":{}}"#).header("Content-Encoding", "identity"),
            ],
        ),
        sequence(
            "a form as the type of a change",
            [
                new_version(),
                request("PUT", "keys?version=1")
                    .header("Content-Type", "multipart/form-data; boundary=x")
                    .body("{\"rooms\":{}}"),
                request("POST", "version")
                    .header("Content-Type", "application/x-www-form-urlencoded")
                    .body(r#"{"algorithm":"m.test","auth_data":{}}"#),
            ],
        ),
    ]
}

fn odd_but_good() -> Vec<Sequence> {
    let deep = |depth: usize| format!(r#"{{"rooms":{{}},"x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    vec![
        sequence(
            "space around JSON does not count",
            [
                new_version(),
                put_text("keys?version=1", " \t\r\n{ \"rooms\" : { } }\n "),
                post_text("version", "\n{\"algorithm\":\"m.test\",\"auth_data\":{}}\n"),
            ],
        ),
        sequence(
            "deep nesting in a field that means nothing",
            [
                new_version(),
                put_text("keys?version=1", &deep(500)),
                put_text("keys?version=1", &deep(899)),
                put_text("keys?version=1", &deep(920)).differs(
                    Known::Nesting,
                    answered(200, json!({ "etag": "0", "count": 0 })),
                    error(400, "M_NOT_JSON", "Content not JSON."),
                ),
                put_text("keys?version=1", &deep(20_000)),
            ],
        ),
        sequence(
            "escaped names are the same names",
            [
                new_version(),
                put_text("keys?version=1", r#"{"\u0072ooms":{"!r":{"session\u0073":{}}}}"#),
                post_text("version", r#"{"\u0061lgorithm":"m\u002etest","auth_data":{}}"#),
                get("version"),
            ],
        ),
    ]
}

/// Synapse's refusal comes before all else, and with none of the usual headers.
fn form() -> Sequence {
    let form = request("POST", "version")
        .header("Content-Type", "multipart/form-data; boundary=x")
        .body(r#"{"algorithm":"m.test","auth_data":{}}"#);
    let made = answered(200, json!({ "version": "1" }));
    sequence(
        "a new version sent as a form",
        [form.differs(Known::FormBody, answered(415, Value::Null), made)],
    )
}
