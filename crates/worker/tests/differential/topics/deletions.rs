//! Deletion of keys.

use serde_json::json;

use crate::sequence::{Sequence, Step, delete, get, key, new_version, put, sequence};

fn upload() -> Step {
    let sessions = json!({ "s": key(0, 0, false), "t": key(1, 0, false) });
    put(
        "keys?version=1",
        &json!({ "rooms": { "!r": { "sessions": sessions }, "!q": { "sessions": sessions } } }),
    )
}

pub(super) fn sequences() -> Vec<Sequence> {
    [ranges(), versions(), nothing_there()].concat()
}

fn ranges() -> Vec<Sequence> {
    let one = |name: &str, target: &str| {
        let steps = [
            new_version(),
            upload(),
            delete(target),
            get("keys?version=1"),
            get("version"),
            delete(target),
            get("version"),
        ];
        sequence(name, steps).crosswise()
    };
    vec![
        one("a session is deleted", "keys/!r/s?version=1"),
        one("a room is deleted", "keys/!r?version=1"),
        one("all keys are deleted", "keys?version=1"),
        one("deleting a session that is not there raises the etag", "keys/!r/none?version=1"),
        one("deleting a room that is not there raises the etag", "keys/!none?version=1"),
    ]
}

fn versions() -> Vec<Sequence> {
    vec![
        sequence(
            "deleting from an empty backup raises the etag",
            [
                new_version(),
                delete("keys?version=1"),
                delete("keys/!r?version=1"),
                delete("keys/!r/s?version=1"),
                get("version"),
            ],
        ),
        sequence(
            "keys of an old version can be deleted",
            [
                new_version(),
                upload(),
                new_version(),
                delete("keys/!r?version=1"),
                get("version/1"),
                get("keys?version=1"),
                get("version"),
            ],
        )
        .crosswise(),
        sequence(
            "deleting leaves other versions alone",
            [
                new_version(),
                upload(),
                new_version(),
                put(
                    "keys?version=2",
                    &json!({ "rooms": { "!r": { "sessions": { "s": key(0, 0, false) } } } }),
                ),
                delete("keys?version=2"),
                get("version/1"),
                get("version/2"),
            ],
        ),
    ]
}

fn nothing_there() -> Vec<Sequence> {
    vec![
        sequence(
            "there is nothing to delete from an unknown version",
            [
                delete("keys?version=1"),
                new_version(),
                delete("keys?version=2"),
                delete("keys/!r?version=2"),
                delete("keys/!r/s?version=2"),
                get("version"),
            ],
        ),
        sequence(
            "a key can come back after its deletion",
            [
                new_version(),
                upload(),
                delete("keys/!r/s?version=1"),
                put("keys/!r/s?version=1", &key(9, 9, false)),
                get("keys/!r/s?version=1"),
                get("version"),
            ],
        ),
    ]
}
