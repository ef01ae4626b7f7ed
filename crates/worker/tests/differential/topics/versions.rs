//! Versions of a backup: their numbers, which is current, what may be changed.

use serde_json::{Value, json};

use crate::sequence::{Sequence, Step, delete, get, key, new_version, one_key, post, put, sequence, sql};

pub(super) fn sequences() -> Vec<Sequence> {
    [
        counting(),
        rows_of_versions(),
        deleted(),
        what_is_left(),
        auth_data(),
        what_stays(),
        creation(),
        odd_creation(),
    ]
    .concat()
}

/// An upload of one key.
fn upload(version: u8) -> Step {
    put(&format!("keys?version={version}"), &one_key(&key(0, 0, false)))
}

/// A change of version 1.
fn change(body: &Value) -> Step {
    put("version/1", body)
}

fn counting() -> Vec<Sequence> {
    vec![
        sequence(
            "versions count from 1 and the highest is current",
            [
                get("version"),
                new_version(),
                get("version"),
                get("version/1"),
                new_version(),
                get("version"),
                get("version/1"),
                get("version/2"),
                get("version/3"),
            ],
        )
        .crosswise(),
        sequence(
            "numbers of deleted versions are not used again",
            [
                new_version(),
                new_version(),
                delete("version/2"),
                new_version(),
                delete("version/3"),
                delete("version/1"),
                get("version"),
                new_version(),
                get("version"),
            ],
        )
        .crosswise(),
    ]
}

fn rows_of_versions() -> Vec<Sequence> {
    vec![sequence(
        "versions with gaps and large numbers",
        [
            sql("INSERT INTO e2e_room_keys_versions (user_id, version, algorithm, auth_data, deleted)
                 VALUES ('{user}', 41, 'm.test', '{}', 0), ('{user}', 2147483648, 'm.test', '{}', 0)"),
            get("version"),
            get("version/41"),
            new_version(),
            get("version"),
            put("keys?version=2147483649", &one_key(&key(0, 0, false))),
        ],
    )]
}

fn deleted() -> Vec<Sequence> {
    vec![
        sequence(
            "a deleted version and its keys are gone",
            [
                new_version(),
                upload(1),
                delete("version/1"),
                get("version"),
                get("version/1"),
                get("keys?version=1"),
                get("keys/!r?version=1"),
                get("keys/!r/s?version=1"),
                upload(1),
                delete("keys?version=1"),
                put("version/1", &json!({ "algorithm": "m.test", "auth_data": {} })),
            ],
        )
        .crosswise(),
        sequence(
            "deleting a version again succeeds",
            [new_version(), delete("version/1"), delete("version/1"), delete("version/2")],
        ),
        sequence(
            "clients delete all versions one after another",
            [
                new_version(),
                new_version(),
                get("version"),
                delete("version/2"),
                get("version"),
                delete("version/1"),
                get("version"),
                new_version(),
            ],
        ),
    ]
}

fn what_is_left() -> Vec<Sequence> {
    vec![
        sequence(
            "deleting the current version makes the one before current and writable",
            [
                new_version(),
                upload(1),
                new_version(),
                upload(2),
                delete("version/2"),
                get("version"),
                put(
                    "keys?version=1",
                    &json!({ "rooms": { "!r": { "sessions": { "t": key(0, 0, false) } } } }),
                ),
                get("keys?version=1"),
            ],
        )
        .crosswise(),
        sequence(
            "deleting an old version leaves the current one",
            [
                new_version(),
                new_version(),
                upload(2),
                delete("version/1"),
                get("version"),
                get("keys?version=2"),
                get("version/1"),
            ],
        ),
    ]
}

fn auth_data() -> Vec<Sequence> {
    vec![
        sequence(
            "auth_data can be replaced",
            [
                new_version(),
                change(&json!({ "algorithm": "m.test", "auth_data": { "new": [1] }, "version": "1" })),
                get("version"),
                change(&json!({ "algorithm": "m.test", "auth_data": "text" })),
                get("version/1"),
            ],
        )
        .crosswise(),
        sequence(
            "a change of auth_data leaves etag and count",
            [
                new_version(),
                put("keys?version=1", &one_key(&key(0, 0, false))),
                change(&json!({ "algorithm": "m.test", "auth_data": 1 })),
                get("version"),
            ],
        )
        .crosswise(),
        sequence(
            "without auth_data nothing changes",
            [new_version(), change(&json!({ "algorithm": "m.test" })), get("version")],
        ),
        sequence(
            "the algorithm stays",
            [
                new_version(),
                change(&json!({ "algorithm": "m.Test", "auth_data": {} })),
                change(&json!({ "algorithm": "", "auth_data": {} })),
                get("version"),
            ],
        ),
    ]
}

fn what_stays() -> Vec<Sequence> {
    vec![
        sequence(
            "the version in the body has to be that of the path, as a string",
            [
                new_version(),
                change(&json!({ "algorithm": "m.test", "auth_data": {}, "version": 1 })),
                change(&json!({ "algorithm": "m.test", "auth_data": {}, "version": null })),
                change(&json!({ "algorithm": "m.test", "auth_data": {}, "version": "01" })),
                change(&json!({ "algorithm": "m.test", "auth_data": {}, "version": ["1"] })),
                get("version"),
            ],
        ),
        sequence(
            "an old version can be changed",
            [
                new_version(),
                new_version(),
                change(&json!({ "algorithm": "m.test", "auth_data": "old" })),
                get("version/1"),
                get("version"),
            ],
        )
        .crosswise(),
        sequence(
            "etag and count of a request mean nothing",
            [
                new_version(),
                change(&json!({ "algorithm": "m.test", "auth_data": {}, "etag": "7", "count": 9 })),
                get("version"),
            ],
        ),
    ]
}

fn creation() -> Vec<Sequence> {
    vec![
        sequence(
            "any algorithm is taken",
            [
                post("version", &json!({ "algorithm": "", "auth_data": {} })),
                post("version", &json!({ "algorithm": "é😀\n\"\\", "auth_data": {} })),
                get("version"),
                get("version/1"),
                put("version/2", &json!({ "algorithm": "é😀\n\"\\", "auth_data": 1 })),
            ],
        )
        .crosswise(),
        sequence(
            "further fields of a new version are dropped",
            [
                post(
                    "version",
                    &json!({ "algorithm": "m.test", "auth_data": {}, "version": "9", "etag": "5", "x": 1 }),
                ),
                get("version"),
            ],
        ),
    ]
}

fn odd_creation() -> Vec<Sequence> {
    vec![
        sequence(
            "a query string with a new version means nothing",
            [
                post("version?version=7", &json!({ "algorithm": "m.test", "auth_data": {} })),
                get("version?version=7"),
                get("version/1?version=7"),
            ],
        ),
        sequence(
            "an etag of NULL is 0",
            [
                new_version(),
                sql("UPDATE e2e_room_keys_versions SET etag = NULL WHERE user_id = '{user}'"),
                get("version"),
                put("keys?version=1", &json!({ "rooms": {} })),
                put("keys?version=1", &one_key(&key(0, 0, false))),
            ],
        ),
    ]
}
