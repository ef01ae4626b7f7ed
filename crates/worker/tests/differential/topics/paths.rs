//! Ids in paths.

use serde_json::json;

use crate::{
    known::Known,
    sequence::{Sequence, Step, delete, get, key, new_version, put, sequence},
    stated::{bad_request, error, internal_server_error},
};

pub(super) fn sequences() -> Vec<Sequence> {
    let mut sequences = ids();
    sequences.extend(versions_in_paths());
    sequences.push(same_id_in_body_and_path());
    sequences.extend(long_ids());
    sequences.extend(bare_characters());
    sequences
}

/// (what it shows, room, session), as they stand in the path.
const IDS: [(&str, &str, &str); 18] = [
    ("a slash of an id is encoded", "!r:x", "a%2Fb%2fc"),
    ("a plus in a path is a plus", "!r:x", "a+b%2Bc"),
    ("a space in a path is encoded", "%21r%20x", "a%20b"),
    ("room version 12 has ids without a server", "!kNZBmxHZvEQpm0dRmHGZxRxpnDT3wGSwZKWYMr2WqPU", "s"),
    ("escapes that are none stay as they are", "%zz", "%2"),
    ("escapes that are not UTF-8 become U+FFFD", "!r%ff", "%C3%28%E2%82"),
    ("dots are ordinary", "..", "."),
    ("ids beyond ASCII", "%F0%9F%98%80", "%C3%A9%CC%81"),
    ("control characters are ordinary", "%01%7F", "%0D%0A%09"),
    ("quotes and backslashes are ordinary", "%22%5C", "%27%3B--"),
    ("an encoded percent sign is decoded once", "%2541", "%252F"),
    ("reserved characters need no encoding", "!r:x@y", "a=b&c;d,e$f*g(h)"),
    ("a question mark of an id is encoded", "%3Fversion=2", "%23"),
    ("any word is a room", "version", "keys"),
    ("non-characters are ordinary", "%EF%BF%BF", "%F4%8F%BF%BF"),
    ("brackets and bars may stand as they are", "[r]", "a|b^c\\d"),
    ("quotes and braces may stand as they are", "\"{r}\"", "~'"),
    ("capital and small hex digits are the same", "%C3%89", "%c3%89"),
];

fn ids() -> Vec<Sequence> {
    IDS.map(|(name, room, session)| {
        let one = format!("keys/{room}/{session}?version=1");
        let all = format!("keys/{room}?version=1");
        let steps = [
            new_version(),
            put(&one, &key(1, 0, false)),
            get(&one),
            get(&all),
            get("keys?version=1"),
            put(&all, &json!({ "sessions": { "other": key(0, 0, false) } })),
            get(&all),
            delete(&one),
            get(&one),
            delete(&all),
            get("keys?version=1"),
        ];
        sequence(name, steps).crosswise()
    })
    .to_vec()
}

fn versions_in_paths() -> Vec<Sequence> {
    ["2", "0", "-1", "x", "1.0", "1%2F", "%C3%A9", "99999999999999999999", "1%00", "%FF", ".."]
        .map(|version| {
            let target = format!("version/{version}");
            let change = put(&target, &json!({ "algorithm": "m.test", "auth_data": {} }));
            let name = format!("{version} names no version in a path");
            sequence(&name, [new_version(), get(&target), change, delete(&target), get("version")])
        })
        .to_vec()
}

fn same_id_in_body_and_path() -> Sequence {
    let body = json!({ "rooms": { "!r/1": { "sessions": { "a/b+c d": key(0, 0, false) } } } });
    sequence(
        "an id of a body is found by its encoded path",
        [
            new_version(),
            put("keys?version=1", &body),
            get("keys/!r%2F1/a%2Fb+c%20d?version=1"),
            get("keys/!r/1?version=1"),
        ],
    )
    .crosswise()
}

/// PostgreSQL's index takes a long id only if it can be compressed.
fn long_ids() -> Vec<Sequence> {
    let plain = "a".repeat(5000);
    let random: String = (0..5000u32)
        .scan(1u32, |state, _| {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from_digit((*state >> 16) % 36, 36)
        })
        .collect();
    let one = |id: &str| format!("keys/!r/{id}?version=1");
    vec![
        sequence(
            "an id of thousands of equal characters",
            [
                new_version(),
                put(&one(&plain), &key(0, 0, false)),
                get(&one(&plain)),
                get("keys?version=1"),
                delete(&one(&plain)),
            ],
        )
        .crosswise(),
        sequence(
            "an id of thousands of different characters",
            [
                new_version(),
                put(&one(&random), &key(0, 0, false)).differs(
                    Known::Unstorable,
                    internal_server_error(),
                    error(400, "M_INVALID_PARAM", "A room or session id is too long to be stored"),
                ),
                get(&one(&random)),
                delete(&one(&random)),
            ],
        ),
    ]
}

/// Characters that no client leaves unencoded, because a URL cannot hold them.
fn bare_characters() -> Vec<Sequence> {
    let refused = |step: Step, synapse| step.differs(Known::StrictTarget, synapse, bad_request());
    let absent = || error(404, "M_NOT_FOUND", "No room_keys found");
    vec![
        sequence(
            "angle brackets and backticks have to be encoded",
            [
                new_version(),
                refused(get("keys/!r/<s>?version=1"), absent()),
                refused(get("keys/!r/`?version=1"), absent()),
            ],
        ),
        sequence("letters beyond ASCII have to be encoded", [get("keys/é/s?version=1"), get("version/é")]),
    ]
}
