//! Whole lives of a backup, written through one server and read through the other.

use serde_json::json;

use crate::sequence::{Sequence, delete, get, key, new_version, one_key, put, sequence, sql};

pub(super) fn sequences() -> Vec<Sequence> {
    [lives(), resets(), other_processes()].concat()
}

fn lives() -> Vec<Sequence> {
    let room = |session: &str| json!({ "sessions": { session: key(3, 0, false) } });
    vec![
        sequence(
            "the life of a backup",
            [
                get("version"),
                new_version(),
                get("version"),
                put("keys?version=1", &one_key(&key(5, 1, false))),
                get("version"),
                get("keys/!r/s?version=1"),
                put("keys/!r?version=1", &room("t")),
                put("keys/!r/s?version=1", &key(4, 1, false)),
                get("keys/!r?version=1"),
                delete("keys/!r/t?version=1"),
                get("version/1"),
                put("version/1", &json!({ "algorithm": "m.test", "auth_data": { "signatures": {} } })),
                get("version"),
                delete("version/1"),
                get("version"),
                get("keys?version=1"),
            ],
        )
        .crosswise(),
    ]
}

fn resets() -> Vec<Sequence> {
    vec![
        sequence(
            "a reset with uploads of everything",
            [
                new_version(),
                put("keys?version=1", &one_key(&key(0, 1, false))),
                delete("version/1"),
                get("version"),
                new_version(),
                put("keys?version=2", &one_key(&key(0, 1, false))),
                put("keys?version=2", &one_key(&key(0, 0, false))),
                put("keys?version=2", &one_key(&key(0, 0, false))),
                get("version"),
                get("keys?version=2"),
            ],
        )
        .crosswise(),
        sequence(
            "a version made without deleting the one before",
            [
                new_version(),
                put("keys?version=1", &one_key(&key(0, 0, false))),
                new_version(),
                get("version"),
                get("keys?version=1"),
                delete("version/2"),
                get("version"),
            ],
        )
        .crosswise(),
    ]
}

fn other_processes() -> Vec<Sequence> {
    vec![
        sequence(
            "rows as other Synapse processes leave them",
            [
                new_version(),
                put("keys?version=1", &one_key(&key(0, 0, false))),
                sql("UPDATE e2e_room_keys_versions SET etag = 40 WHERE user_id = '{user}'"),
                get("version"),
                put("keys/!r/t?version=1", &key(0, 0, false)),
                // A key that goes without a new etag is a matter of the caches: the suite `replication` has it.
                sql("DELETE FROM e2e_room_keys WHERE user_id = '{user}' AND session_id = 's'"),
                sql("UPDATE e2e_room_keys_versions SET etag = etag + 1 WHERE user_id = '{user}'"),
                get("version"),
                delete("keys/!r/s?version=1"),
                get("keys?version=1"),
            ],
        )
        .crosswise(),
    ]
}
