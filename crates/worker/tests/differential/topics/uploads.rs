//! Uploads: what they answer, and what they change.

use serde_json::{Value, json};

use crate::{
    known::Known,
    sequence::{Sequence, Step, delete, get, key, new_version, one_key, put, put_text, sequence},
    stated::{answered, error, internal_server_error},
};

pub(super) fn sequences() -> Vec<Sequence> {
    [etags(), shapes(), contents(), versions(), wrong_versions(), extra_fields(), all_or_nothing()].concat()
}

fn upload(body: &Value) -> Step {
    put("keys?version=1", body)
}

fn etags() -> Vec<Sequence> {
    let two = json!({ "rooms": {
        "!r": { "sessions": { "s": key(1, 0, false), "t": key(1, 0, false) } },
        "!q": { "sessions": { "s": key(1, 0, false) } },
    }});
    vec![
        sequence(
            "an upload raises the etag by one, whatever it holds",
            [new_version(), upload(&two), get("version"), upload(&one_key(&key(0, 0, false)))],
        )
        .crosswise(),
        sequence(
            "an upload that changes nothing leaves the etag",
            [new_version(), upload(&two), upload(&two), get("version"), upload(&one_key(&key(2, 0, false)))],
        )
        .crosswise(),
        sequence(
            "an upload of old and new keys raises the etag once",
            [
                new_version(),
                upload(&one_key(&key(1, 0, false))),
                upload(&two),
                get("version"),
                get("keys?version=1"),
            ],
        ),
        sequence(
            "an empty upload changes nothing",
            [
                new_version(),
                upload(&json!({ "rooms": {} })),
                upload(&json!({ "rooms": { "!r": { "sessions": {} } } })),
                put("keys/!r?version=1", &json!({ "sessions": {} })),
                get("version"),
                get("keys?version=1"),
            ],
        )
        .crosswise(),
    ]
}

fn shapes() -> Vec<Sequence> {
    vec![
        sequence(
            "a room is uploaded",
            [
                new_version(),
                put(
                    "keys/!r?version=1",
                    &json!({ "sessions": { "s": key(0, 0, false), "t": key(0, 0, true) } }),
                ),
                get("keys?version=1"),
                get("keys/!r?version=1"),
            ],
        )
        .crosswise(),
        sequence(
            "a session is uploaded",
            [
                new_version(),
                put("keys/!r/s?version=1", &key(0, 0, true)),
                get("keys?version=1"),
                get("keys/!r/s?version=1"),
            ],
        )
        .crosswise(),
        sequence(
            "the three shapes meet in one backup",
            [
                new_version(),
                put("keys?version=1", &one_key(&key(3, 0, false))),
                put("keys/!r?version=1", &json!({ "sessions": { "s": key(2, 0, false) } })),
                put("keys/!r/s?version=1", &key(1, 0, false)),
                put("keys?version=1", &one_key(&key(2, 0, false))),
                get("keys?version=1"),
                get("version"),
            ],
        ),
    ]
}

fn contents() -> Vec<Sequence> {
    vec![
        sequence("ids of a body may be anything", [
            new_version(),
            upload(&json!({ "rooms": { "": { "sessions": { "": key(0, 0, false) } }, "é\n\u{1f600}\u{1}\"": { "sessions": { " a/b ": key(0, 0, false) } } } })),
            get("keys?version=1"),
        ])
        .crosswise(),
        sequence("indexes have 32 bits", [
            new_version(),
            put("keys/!r/a?version=1", &key(2_147_483_647, -2_147_483_648, false)),
            put("keys/!r/b?version=1", &key(-1, 2_147_483_647, true)),
            get("keys?version=1"),
        ])
        .crosswise(),
        sequence("of two values of one name the last counts", [
            new_version(),
            put_text("keys?version=1", r#"{"rooms":{"!r":{"sessions":{"s":1}},"!r":{"sessions":{"s":7,"s":{"first_message_index":9,"first_message_index":1,"forwarded_count":0,"is_verified":1,"is_verified":true,"session_data":"a","session_data":"b"}}}}}"#),
            get("keys?version=1"),
            put_text("keys?version=1", r#"{"rooms":7,"rooms":{}}"#),
        ])
        .crosswise(),
    ]
}

fn versions() -> Vec<Sequence> {
    vec![
        sequence(
            "an upload without any version",
            [
                upload(&one_key(&key(0, 0, false))),
                put("keys/!r?version=1", &json!({ "sessions": {} })),
                get("version"),
            ],
        ),
        sequence(
            "an upload to a version that was never made",
            [new_version(), put("keys?version=2", &one_key(&key(0, 0, false))), get("version")],
        ),
        sequence(
            "an upload to a deleted version",
            [new_version(), new_version(), delete("version/1"), upload(&one_key(&key(0, 0, false)))],
        ),
        sequence(
            "an upload to a deleted version that was current",
            [
                new_version(),
                new_version(),
                delete("version/2"),
                put("keys?version=2", &one_key(&key(0, 0, false))),
            ],
        ),
        sequence(
            "the text of an unknown version is repeated",
            [
                new_version(),
                put("keys?version=a%20b%27%22", &json!({ "rooms": {} })),
                put("keys?version=%3Cb%3E", &json!({ "rooms": {} })),
            ],
        ),
    ]
}

fn extra_fields() -> Vec<Sequence> {
    let mut with_more = key(0, 0, false);
    with_more["algorithm"] = "x".into();
    with_more["version"] = "9".into();
    vec![sequence(
        "further fields are dropped",
        [
            new_version(),
            upload(
                &json!({ "rooms": { "!r": { "sessions": { "s": with_more }, "more": 1 } }, "etag": "7", "version": "2" }),
            ),
            get("keys?version=1"),
            put("keys/!r/t?version=1", &with_more),
            get("keys/!r/t?version=1"),
        ],
    )]
}

/// An upload to a version that is not current, where version 3 is.
fn wrong_versions() -> Vec<Sequence> {
    let wrong = |step: Step, asked_for: &str| {
        let answer = |current: &str| {
            let text = "Wrong room_keys version";
            let body =
                json!({ "errcode": "M_WRONG_ROOM_KEYS_VERSION", "error": text, "current_version": current });
            answered(403, body)
        };
        step.differs(Known::CurrentVersion, answer(asked_for), answer("3"))
    };
    let made = || [new_version(), new_version(), new_version()];
    vec![
        sequence(
            "an upload to an old version is told of the current one",
            made().into_iter().chain([
                wrong(upload(&one_key(&key(0, 0, false))), "1"),
                wrong(put("keys/!r?version=2", &json!({ "sessions": { "s": key(0, 0, false) } })), "2"),
                wrong(put("keys/!r/s?version=1", &key(0, 0, false)), "1"),
                wrong(upload(&json!({ "rooms": {} })), "1"),
                get("version/1"),
            ]),
        ),
        sequence(
            "an old version comes before bad contents",
            made().into_iter().chain([
                wrong(upload(&json!({})), "1"),
                wrong(upload(&json!({ "rooms": [] })), "1"),
                wrong(put("keys/!r/s?version=2", &json!({ "is_verified": 7 })), "2"),
            ]),
        ),
    ]
}

/// Synapse stores the keys before the bad one, some of them without a new etag.
fn all_or_nothing() -> Vec<Sequence> {
    let mut bad = key(0, 0, false);
    bad["is_verified"] = 7.into();
    let mut worse = key(0, 0, false);
    worse["first_message_index"] = "x".into();
    let with =
        |bad: &Value| json!({ "rooms": { "!r": { "sessions": { "s": key(1, 0, false), "t": bad } } } });
    let stored = |index: i64| answered(200, json!({ "sessions": { "s": key(index, 0, false) } }));
    vec![
        sequence("a better key beside one without a boolean is not stored", [
            new_version(),
            upload(&one_key(&key(5, 0, false))),
            upload(&with(&bad)),
            get("keys/!r?version=1").differs(Known::AllOrNothing, stored(1), stored(5)),
            get("version"),
        ]),
        sequence("a better key beside a malformed one is not stored", [
            new_version(),
            upload(&one_key(&key(5, 0, false))),
            upload(&with(&worse)).differs(
                Known::MalformedBody,
                internal_server_error(),
                error(
                    400,
                    "M_INVALID_PARAM",
                    "rooms.!r.sessions.t.first_message_index must be an integer from -2147483648 to 2147483647",
                ),
            ),
            get("keys/!r?version=1").differs(Known::AllOrNothing, stored(1), stored(5)),
            get("version"),
        ]),
        sequence("a new key beside one without a boolean is not stored", [
            new_version(),
            upload(&with(&bad)),
            get("keys/!r?version=1"),
            get("version"),
        ]),
    ]
}
