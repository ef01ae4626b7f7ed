//! What PostgreSQL converts or cannot store, and what Synapse could not read again.

use serde_json::json;

use crate::{
    known::Known,
    sequence::{Sequence, Step, delete, get, key, new_version, post_text, put, put_text, sequence},
    stated::{Answered, answered, error, internal_server_error},
};

pub(super) fn sequences() -> Vec<Sequence> {
    [indexes(), infinite(), long_integers(), names(), paths(), vec![null_index(), algorithms()]].concat()
}

const NOT_AN_INDEX: &str = "first_message_index must be an integer from -2147483648 to 2147483647";

fn session(first_message_index: &str, session_data: &str) -> String {
    format!(
        r#"{{"first_message_index":{first_message_index},"forwarded_count":0,"is_verified":false,"session_data":{session_data}}}"#
    )
}

fn with_index(first_message_index: &str) -> Step {
    put_text("keys/!r/s?version=1", &session(first_message_index, "{}"))
}

fn with_data(session_data: &str) -> Step {
    put_text("keys/!r/s?version=1", &session("0", session_data))
}

fn invalid(text: &str) -> Answered {
    error(400, "M_INVALID_PARAM", text)
}

fn found(first_message_index: i64) -> Answered {
    let key = json!({
        "first_message_index": first_message_index, "forwarded_count": 0, "is_verified": false, "session_data": {},
    });
    answered(200, key)
}

/// PostgreSQL makes integers of some things that are none.
fn indexes() -> Vec<Sequence> {
    let converted =
        [("1.5", 2), ("2.5", 3), ("1.0", 1), ("1e2", 100), ("\"7\"", 7), ("\" 7 \"", 7), ("-0.0", 0)];
    let one = |(sent, stored): (&str, i64)| {
        sequence(
            &format!("an index is an integer, not {sent}"),
            [
                new_version(),
                with_index(sent).differs(
                    Known::IntegersOnly,
                    answered(200, json!({ "etag": "1", "count": 1 })),
                    invalid(NOT_AN_INDEX),
                ),
                get("keys/!r/s?version=1").differs(
                    Known::IntegersOnly,
                    found(stored),
                    error(404, "M_NOT_FOUND", "No room_keys found"),
                ),
            ],
        )
    };
    converted.map(one).to_vec()
}

fn null_index() -> Sequence {
    sequence(
        "an index is not null",
        [
            new_version(),
            with_index("null").differs(
                Known::IntegersOnly,
                answered(200, json!({ "etag": "1", "count": 1 })),
                invalid(NOT_AN_INDEX),
            ),
            with_index("1").differs(
                Known::IntegersOnly,
                internal_server_error(),
                answered(200, json!({ "etag": "1", "count": 1 })),
            ),
        ],
    )
}

fn infinite() -> Vec<Sequence> {
    let too_large = "session_data cannot be stored: a number is too large for a 64-bit float";
    vec![
        sequence(
            "session_data with an infinite number",
            [
                new_version(),
                with_data("1e400").differs(Known::Unstorable, internal_server_error(), invalid(too_large)),
                with_data(r#"{"a":[-1e999]}"#).differs(
                    Known::Unstorable,
                    internal_server_error(),
                    invalid(too_large),
                ),
                get("keys?version=1"),
            ],
        ),
        sequence(
            "auth_data with an infinite number",
            [post_text("version", r#"{"algorithm":"m.test","auth_data":1e400}"#).differs(
                Known::Unstorable,
                internal_server_error(),
                invalid("auth_data cannot be stored: a number is too large for a 64-bit float"),
            )],
        ),
    ]
}

fn long_integers() -> Vec<Sequence> {
    let long = "9".repeat(4301);
    vec![
        sequence(
            "session_data with a number of more digits than Python reads",
            [
                new_version(),
                with_data(&long).differs(
                    Known::Unstorable,
                    error(400, "M_NOT_JSON", "Content not JSON."),
                    invalid("session_data cannot be stored: an integer has more than 4300 digits"),
                ),
            ],
        ),
        sequence(
            "session_data with just as many digits",
            [new_version(), with_data(&long[1..]), get("keys?version=1")],
        )
        .crosswise(),
    ]
}

/// An upload in which `KEY` stands for a key.
fn unstorable_upload(body: &str, worker: Answered) -> Step {
    let body = body.replace("KEY", &key(0, 0, false).to_string());
    put_text("keys?version=1", &body).differs(Known::Unstorable, internal_server_error(), worker)
}

fn names() -> Vec<Sequence> {
    let nul = |place: &str| invalid(&format!("a name in {place} holds U+0000, which cannot be stored"));
    let surrogate = || error(400, "M_BAD_JSON", "a name in the body is not Unicode, which cannot be stored");
    let session = r#"{"rooms":{"!r":{"sessions":{"\u0000":KEY}}}}"#;
    vec![
        sequence(
            "names with U+0000",
            [
                new_version(),
                unstorable_upload(r#"{"rooms":{"a\u0000b":{"sessions":{"s":KEY}}}}"#, nul("rooms")),
                unstorable_upload(session, nul("rooms.!r.sessions")),
                get("keys?version=1"),
            ],
        ),
        sequence(
            "names with a lone surrogate",
            [
                new_version(),
                unstorable_upload(r#"{"rooms":{"\ud800":{"sessions":{"s":KEY}}}}"#, surrogate()),
                unstorable_upload(r#"{"rooms":{"!r":{"sessions":{"\udfff":KEY}}}}"#, surrogate()),
                get("keys?version=1"),
            ],
        ),
    ]
}

fn algorithms() -> Sequence {
    let algorithm = |text: &str| {
        post_text("version", &format!(r#"{{"algorithm":"{text}","auth_data":{{}}}}"#)).differs(
            Known::Unstorable,
            internal_server_error(),
            invalid("algorithm must be a string without U+0000"),
        )
    };
    let steps = [algorithm(r"a\u0000"), algorithm(r"\ud800"), get("version")];
    sequence("an algorithm that cannot be stored", steps)
}

fn paths() -> Vec<Sequence> {
    let refused = |step: Step| {
        let text = "an id in the path holds U+0000, which cannot be stored";
        step.differs(Known::NulInPath, internal_server_error(), error(400, "M_INVALID_PARAM", text))
    };
    let targets = ["keys/a%00?version=1", "keys/!r/%00?version=1", "keys/%00/s?version=1"];
    vec![
        sequence(
            "U+0000 in a path that is read",
            [new_version()].into_iter().chain(targets.map(|target| refused(get(target)))),
        ),
        sequence(
            "U+0000 in a path that is deleted",
            [new_version()].into_iter().chain(targets.map(|target| refused(delete(target)))),
        ),
        sequence(
            "U+0000 in the path of an upload",
            [
                new_version(),
                refused(put("keys/%00?version=1", &json!({ "sessions": { "s": key(0, 0, false) } }))),
                refused(put("keys/!r/%00?version=1", &key(0, 0, false))),
                get("keys?version=1"),
            ],
        ),
    ]
}
