//! Reading keys back.

use serde_json::{Value, json};

use crate::sequence::{Sequence, get, key, new_version, put, sequence};

pub(super) fn sequences() -> Vec<Sequence> {
    [nothing_to_restore(), whole_backups(), parts()].concat()
}

/// As many keys in each of as many rooms.
fn many(rooms: usize, sessions: i64) -> Value {
    let sessions: Value = (0..sessions).map(|number| (format!("s{number}"), key(number, 0, false))).collect();
    let rooms: Value =
        (0..rooms).map(|number| (format!("!room{number}"), json!({ "sessions": sessions }))).collect();
    json!({ "rooms": rooms })
}

fn nothing_to_restore() -> Vec<Sequence> {
    vec![
        sequence(
            "an empty backup and an empty room are empty objects",
            [new_version(), get("keys?version=1"), get("keys/!r?version=1"), get("keys/!r/s?version=1")],
        ),
        sequence(
            "without any version there is nothing to restore",
            [get("keys?version=1"), get("keys/!r?version=1"), get("keys/!r/s?version=1")],
        ),
    ]
}

fn whole_backups() -> Vec<Sequence> {
    vec![
        sequence(
            "keys of many rooms come back by room and session",
            [
                new_version(),
                put("keys?version=1", &many(20, 5)),
                get("keys?version=1"),
                get("keys/!room7?version=1"),
                get("keys/!room19/s4?version=1"),
            ],
        )
        .crosswise(),
        sequence(
            "a large backup comes back whole",
            [
                new_version(),
                put("keys?version=1", &many(2, 1500)),
                get("keys?version=1"),
                get("keys/!room1?version=1"),
                get("keys?version=1").http10(),
            ],
        )
        .crosswise(),
    ]
}

fn parts() -> Vec<Sequence> {
    vec![
        sequence(
            "an old version can be read beside the current one",
            [
                new_version(),
                put("keys?version=1", &many(1, 2)),
                new_version(),
                put("keys?version=2", &many(2, 1)),
                get("keys?version=1"),
                get("keys?version=2"),
                get("keys/!room1?version=1"),
                get("keys/!room0/s1?version=2"),
            ],
        )
        .crosswise(),
        sequence(
            "a room is found by its whole name",
            [
                new_version(),
                put("keys?version=1", &many(1, 1)),
                get("keys/!room?version=1"),
                get("keys/!ROOM0?version=1"),
                get("keys/!room0%20?version=1"),
                get("keys/!room_?version=1"),
                get("keys/!room0/S0?version=1"),
            ],
        ),
    ]
}
