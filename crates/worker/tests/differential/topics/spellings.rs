//! Other spellings of a version's number.

use serde_json::json;

use crate::{
    known::Known,
    sequence::{Sequence, delete, get, key, new_version, one_key, put, sequence},
    stated::{Answered, answered, error},
};

pub(super) fn sequences() -> Vec<Sequence> {
    let queries = [
        ("01", "01"),
        ("%2B1", "+1"),
        ("+1", " 1"),
        ("1+", "1 "),
        ("1%0A", "1\n"),
        ("0_1", "0_1"),
        ("%091", "\t1"),
    ];
    let paths = ["01", "+1", "%201", "1%0A", "0_1", "%D9%A1", "%E2%80%891"];
    [queries.map(in_query).to_vec(), paths.map(in_path).to_vec()].concat()
}

fn unknown() -> Answered {
    error(404, "M_NOT_FOUND", "Unknown backup version")
}

fn in_query((encoded, decoded): (&str, &str)) -> Sequence {
    let target = format!("keys?version={encoded}");
    let stored = json!({ "rooms": { "!r": { "sessions": { "s": key(1, 0, false) } } } });
    let current_version = json!({
        "errcode": "M_WRONG_ROOM_KEYS_VERSION", "error": "Wrong room_keys version", "current_version": "1",
    });
    let differs =
        |step: crate::sequence::Step, synapse| step.differs(Known::OpaqueVersion, synapse, unknown());
    sequence(
        &format!("{decoded:?} names no version in a query"),
        [
            new_version(),
            put("keys?version=1", &one_key(&key(1, 0, false))),
            differs(get(&target), answered(200, stored)),
            put(&target, &one_key(&key(0, 0, false))).differs(
                Known::OpaqueVersion,
                answered(403, current_version),
                error(404, "M_NOT_FOUND", &format!("Version '{decoded}' not found")),
            ),
            differs(delete(&target), answered(200, json!({ "etag": "2", "count": 0 }))),
        ],
    )
}

fn in_path(spelling: &str) -> Sequence {
    let target = format!("version/{spelling}");
    let info = json!({
        "algorithm": "m.test", "auth_data": { "public_key": "k" }, "count": 0, "etag": "0", "version": "1",
    });
    let done = || answered(200, json!({}));
    sequence(
        &format!("{spelling} names no version in a path"),
        [
            new_version(),
            get(&target).differs(
                Known::OpaqueVersion,
                answered(200, info),
                error(404, "M_NOT_FOUND", "No backup found"),
            ),
            put(&target, &json!({ "algorithm": "m.test", "auth_data": 1 })).differs(
                Known::OpaqueVersion,
                done(),
                unknown(),
            ),
            delete(&target).differs(Known::OpaqueVersion, done(), unknown()),
        ],
    )
}
