//! Bodies that are objects with the wrong things in them.

use serde_json::json;

use crate::{
    known::Known,
    sequence::{Sequence, Step, get, new_version, post_text, put_text, sequence},
    stated::{answered, error, internal_server_error},
};

/// (body, errcode, error)
type Refused = (&'static str, &'static str, &'static str);

pub(super) fn sequences() -> Vec<Sequence> {
    [
        uploads("a malformed upload of a backup", "keys?version=1", &BACKUPS),
        uploads("a malformed upload of a room", "keys/!r?version=1", &ROOMS),
        uploads("a malformed upload of a session", "keys/!r/s?version=1", &SESSIONS),
        vec![new_versions(), list_as_algorithm(), changes(), is_verified()],
    ]
    .concat()
}

/// Synapse fails with 500 where the worker refuses.
fn refused(step: Step, (_, errcode, text): Refused) -> Step {
    step.differs(Known::MalformedBody, internal_server_error(), error(400, errcode, text))
}

/// One sequence for each body; nothing of it is stored.
fn uploads(name: &str, target: &str, table: &[Refused]) -> Vec<Sequence> {
    let one = |row: &Refused| {
        let steps =
            [new_version(), refused(put_text(target, row.0), *row), get("keys?version=1"), get("version")];
        sequence(&format!("{name}: {}", row.0), steps)
    };
    table.iter().map(one).collect()
}

const BACKUPS: [Refused; 12] = [
    ("{}", "M_MISSING_PARAM", "Missing field rooms"),
    (r#"{"Rooms":{}}"#, "M_MISSING_PARAM", "Missing field rooms"),
    (r#"{"rooms":[]}"#, "M_BAD_JSON", "rooms must be an object"),
    (r#"{"rooms":null}"#, "M_BAD_JSON", "rooms must be an object"),
    (r#"{"rooms":"x"}"#, "M_BAD_JSON", "rooms must be an object"),
    (r#"{"rooms":{"!r":{}}}"#, "M_MISSING_PARAM", "Missing field rooms.!r.sessions"),
    (r#"{"rooms":{"!r":[]}}"#, "M_BAD_JSON", "rooms.!r must be an object"),
    (r#"{"rooms":{"!r":{"sessions":[]}}}"#, "M_BAD_JSON", "rooms.!r.sessions must be an object"),
    (r#"{"rooms":{"!r":{"sessions":null}}}"#, "M_BAD_JSON", "rooms.!r.sessions must be an object"),
    (r#"{"rooms":{"!r":{"sessions":{"s":1}}}}"#, "M_BAD_JSON", "rooms.!r.sessions.s must be an object"),
    (r#"{"rooms":{"!r":{"sessions":{"s":null}}}}"#, "M_BAD_JSON", "rooms.!r.sessions.s must be an object"),
    (
        r#"{"rooms":{"!r":{"sessions":{"s":{}}}}}"#,
        "M_MISSING_PARAM",
        "Missing field rooms.!r.sessions.s.first_message_index",
    ),
];

const ROOMS: [Refused; 5] = [
    ("{}", "M_MISSING_PARAM", "Missing field sessions"),
    (r#"{"sessions":[]}"#, "M_BAD_JSON", "sessions must be an object"),
    (r#"{"sessions":7}"#, "M_BAD_JSON", "sessions must be an object"),
    (r#"{"sessions":{"s":[]}}"#, "M_BAD_JSON", "sessions.s must be an object"),
    (r#"{"rooms":{}}"#, "M_MISSING_PARAM", "Missing field sessions"),
];

const SESSIONS: [Refused; 15] = [
    ("{}", "M_MISSING_PARAM", "Missing field first_message_index"),
    (
        r#"{"forwarded_count":0,"is_verified":false,"session_data":{}}"#,
        "M_MISSING_PARAM",
        "Missing field first_message_index",
    ),
    (
        r#"{"first_message_index":0,"is_verified":false,"session_data":{}}"#,
        "M_MISSING_PARAM",
        "Missing field forwarded_count",
    ),
    (
        r#"{"first_message_index":0,"forwarded_count":0,"session_data":{}}"#,
        "M_MISSING_PARAM",
        "Missing field is_verified",
    ),
    (
        r#"{"first_message_index":0,"forwarded_count":0,"is_verified":false}"#,
        "M_MISSING_PARAM",
        "Missing field session_data",
    ),
    (
        r#"{"first_message_index":true,"forwarded_count":0,"is_verified":false,"session_data":{}}"#,
        "M_INVALID_PARAM",
        NOT_AN_INDEX,
    ),
    (
        r#"{"first_message_index":[],"forwarded_count":0,"is_verified":false,"session_data":{}}"#,
        "M_INVALID_PARAM",
        NOT_AN_INDEX,
    ),
    (
        r#"{"first_message_index":{},"forwarded_count":0,"is_verified":false,"session_data":{}}"#,
        "M_INVALID_PARAM",
        NOT_AN_INDEX,
    ),
    (
        r#"{"first_message_index":"x","forwarded_count":0,"is_verified":false,"session_data":{}}"#,
        "M_INVALID_PARAM",
        NOT_AN_INDEX,
    ),
    (
        r#"{"first_message_index":2147483648,"forwarded_count":0,"is_verified":false,"session_data":{}}"#,
        "M_INVALID_PARAM",
        NOT_AN_INDEX,
    ),
    (
        r#"{"first_message_index":-2147483649,"forwarded_count":0,"is_verified":false,"session_data":{}}"#,
        "M_INVALID_PARAM",
        NOT_AN_INDEX,
    ),
    (
        r#"{"first_message_index":1e10,"forwarded_count":0,"is_verified":false,"session_data":{}}"#,
        "M_INVALID_PARAM",
        NOT_AN_INDEX,
    ),
    (
        r#"{"first_message_index":0,"forwarded_count":false,"is_verified":false,"session_data":{}}"#,
        "M_INVALID_PARAM",
        NOT_A_COUNT,
    ),
    (
        r#"{"first_message_index":0,"forwarded_count":9223372036854775808,"is_verified":false,"session_data":{}}"#,
        "M_INVALID_PARAM",
        NOT_A_COUNT,
    ),
    (r#"{"rooms":{}}"#, "M_MISSING_PARAM", "Missing field first_message_index"),
];

const NOT_AN_INDEX: &str = "first_message_index must be an integer from -2147483648 to 2147483647";
const NOT_A_COUNT: &str = "forwarded_count must be an integer from -2147483648 to 2147483647";

fn new_versions() -> Sequence {
    let table: [Refused; 5] = [
        ("{}", "M_MISSING_PARAM", "Missing field algorithm"),
        (r#"{"auth_data":{}}"#, "M_MISSING_PARAM", "Missing field algorithm"),
        (r#"{"algorithm":"m.test"}"#, "M_MISSING_PARAM", "Missing field auth_data"),
        (r#"{"algorithm":{},"auth_data":{}}"#, "M_INVALID_PARAM", NO_ALGORITHM),
        (r#"{"Algorithm":"m.test","auth_data":{}}"#, "M_MISSING_PARAM", "Missing field algorithm"),
    ];
    let steps = table.map(|row| refused(post_text("version", row.0), row));
    sequence("a malformed new version", steps.into_iter().chain([get("version"), new_version()]))
}

const NO_ALGORITHM: &str = "algorithm must be a string without U+0000";

/// PostgreSQL's driver makes a text of the list.
fn list_as_algorithm() -> Sequence {
    let info = json!({ "algorithm": "{m.test}", "auth_data": {}, "count": 0, "etag": "0", "version": "1" });
    sequence(
        "a list is no algorithm",
        [
            post_text("version", r#"{"algorithm":["m.test"],"auth_data":{}}"#).differs(
                Known::MalformedBody,
                answered(200, json!({ "version": "1" })),
                error(400, "M_INVALID_PARAM", NO_ALGORITHM),
            ),
            get("version").differs(
                Known::MalformedBody,
                answered(200, info),
                error(404, "M_NOT_FOUND", "No backup found"),
            ),
        ],
    )
}

fn changes() -> Sequence {
    let table: [Refused; 2] = [
        ("{}", "M_MISSING_PARAM", "Missing field algorithm"),
        (r#"{"auth_data":{},"version":"1"}"#, "M_MISSING_PARAM", "Missing field algorithm"),
    ];
    let steps = table.map(|row| refused(put_text("version/1", row.0), row));
    sequence(
        "a malformed change of a version",
        [new_version()].into_iter().chain(steps).chain([get("version")]),
    )
}

/// The one mistake inside a key that Synapse looks for itself.
fn is_verified() -> Sequence {
    let values = ["1", "0", "null", "\"true\"", "[]", "{}", "1.0"];
    let step = |value: &str| {
        let key = format!(
            r#"{{"first_message_index":0,"forwarded_count":0,"is_verified":{value},"session_data":{{}}}}"#
        );
        [
            put_text("keys?version=1", &format!(r#"{{"rooms":{{"!r":{{"sessions":{{"s":{key}}}}}}}}}"#)),
            put_text("keys/!r?version=1", &format!(r#"{{"sessions":{{"s":{key}}}}}"#)),
            put_text("keys/!r/s?version=1", &key),
        ]
    };
    let uploads = values.into_iter().flat_map(step);
    sequence(
        "is_verified has to be a boolean",
        [new_version()].into_iter().chain(uploads).chain([get("version")]),
    )
}
