//! Which of several mistakes is told of.

use serde_json::json;

use crate::sequence::{
    Sequence, Step, delete, get, key, new_version, one_key, put, put_text, request, sequence,
};

pub(super) fn sequences() -> Vec<Sequence> {
    [tokens_first(), bodies_before_versions(), versions_before_contents(), changes(), sessions_last()]
        .concat()
}

/// An upload of each of these bodies.
fn bad_uploads(target: &'static str) -> [Step; 5] {
    ["", "x", "[]", "{}", "{\"rooms\":[]}"].map(|body| put_text(target, body))
}

fn tokens_first() -> Vec<Sequence> {
    vec![
        sequence(
            "a missing token comes before a bad body",
            bad_uploads("keys?version=1").map(Step::without_token),
        ),
        sequence(
            "a wrong method comes before a missing token",
            [request("POST", "keys").without_token().body("x")],
        ),
        sequence("an unknown path comes before a missing token", [get("nothing").without_token()]),
    ]
}

fn bodies_before_versions() -> Vec<Sequence> {
    vec![
        sequence(
            "a body that is no object comes before a missing version",
            [
                put_text("keys", ""),
                put_text("keys", "x"),
                put_text("keys", "[]"),
                put_text("keys", "{}"),
                put_text("keys?version=%C3%A9", "[]"),
            ],
        ),
        sequence("an unknown version comes before bad contents", bad_uploads("keys?version=1")),
    ]
}

fn versions_before_contents() -> Vec<Sequence> {
    vec![
        sequence(
            "an unknown version of another number comes before bad contents",
            [new_version()].into_iter().chain(bad_uploads("keys?version=2")),
        ),
        sequence(
            "no version at all comes before bad contents of a room and of a session",
            [put("keys/!r?version=1", &json!({})), put("keys/!r/s?version=1", &json!({}))],
        ),
    ]
}

fn changes() -> Vec<Sequence> {
    vec![
        sequence(
            "a change of a version: the body comes before the version",
            [
                put_text("version/1", "x"),
                put_text("version/1", "[]"),
                put("version/1", &json!({ "algorithm": "m.test", "auth_data": {}, "version": "2" })),
                put("version/1", &json!({ "algorithm": "m.test", "auth_data": {}, "version": "1" })),
            ],
        ),
        sequence(
            "a change of a version: the version in the body comes before the algorithm",
            [
                new_version(),
                put("version/1", &json!({ "algorithm": "other", "auth_data": {}, "version": "2" })),
                put("version/1", &json!({ "algorithm": "other", "auth_data": {}, "version": "1" })),
            ],
        ),
    ]
}

fn sessions_last() -> Vec<Sequence> {
    vec![
        sequence(
            "an unknown version comes before a session that is absent",
            [
                get("keys/!r/s?version=1"),
                new_version(),
                get("keys/!r/s?version=1"),
                get("keys/!r/s?version=2"),
            ],
        ),
        sequence(
            "a missing version comes before anything about keys",
            [get("keys"), delete("keys/!r"), get("keys/!r/s")],
        ),
        sequence(
            "a body with GET or DELETE is not looked at",
            [
                new_version(),
                put("keys?version=1", &one_key(&key(0, 0, false))),
                request("GET", "keys?version=1").body("x"),
                request("DELETE", "keys?version=1").body("x"),
                request("DELETE", "version/1").body("[]"),
            ],
        ),
    ]
}
