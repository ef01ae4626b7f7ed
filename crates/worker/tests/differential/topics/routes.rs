//! Which paths and methods there are.

use serde_json::json;

use crate::{
    known::Known,
    sequence::{Sequence, Step, delete, get, key, new_version, one_key, post, put, request, sequence},
    stated::Answered,
};

pub(super) fn sequences() -> Vec<Sequence> {
    [prefixes(), unknown_paths(), methods(), head(), preflights(), beside_the_api()].concat()
}

fn prefixes() -> Vec<Sequence> {
    let with_prefix = |prefix: &str| {
        let path = |rest: &str| format!("/_matrix/client/{prefix}/room_keys/{rest}");
        sequence(
            &format!("the whole API is there under the prefix {prefix}"),
            [
                post(&path("version"), &json!({ "algorithm": "m.test", "auth_data": {} })),
                get(&path("version")),
                get(&path("version/1")),
                put(&path("version/1"), &json!({ "algorithm": "m.test", "auth_data": { "a": 1 } })),
                put(&path("keys?version=1"), &one_key(&key(1, 0, false))),
                put(&path("keys/!r?version=1"), &json!({ "sessions": { "t": key(1, 0, false) } })),
                put(&path("keys/!r/u?version=1"), &key(1, 0, false)),
                get(&path("keys?version=1")),
                get(&path("keys/!r?version=1")),
                get(&path("keys/!r/s?version=1")),
                delete(&path("keys/!r/s?version=1")),
                delete(&path("keys/!r?version=1")),
                delete(&path("keys?version=1")),
                delete(&path("version/1")),
            ],
        )
    };
    ["r0", "v3", "unstable"].map(with_prefix).to_vec()
}

fn unknown_paths() -> Vec<Sequence> {
    let table = [
        (
            "other prefixes are unknown",
            vec!["v1", "v2", "r1", "r0.0.1", "v2_alpha", "V3", "api/v1", ""]
                .into_iter()
                .map(|prefix| format!("/_matrix/client/{prefix}/room_keys/version"))
                .collect(),
        ),
        (
            "empty segments match nothing",
            below(&["", "keys/", "keys//s", "keys/!r/", "version/", "version/1/"]),
        ),
        ("slashes at the front count", below(&["/version", "/keys?version=1", "keys//"])),
        ("there is nothing below a session or a version", below(&["keys/!r/s/t", "version/1/keys"])),
        (
            "case and encoding of fixed parts matter",
            below(&["Keys", "VERSION", "%6Beys", "version%2F1", "keys%2f!r"]),
        ),
        ("there is nothing else", below(&["room", "keys.json", "versions", "version;v=1", "keyss"])),
    ];
    let steps = |targets: Vec<String>| {
        targets
            .into_iter()
            .flat_map(|target| [get(&target), get(&target).without_token(), request("PUT", &target)])
    };
    table.into_iter().map(|(name, targets)| sequence(name, steps(targets))).collect()
}

fn below(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| format!("/_matrix/client/v3/room_keys/{path}")).collect()
}

fn methods() -> Vec<Sequence> {
    let methods =
        ["GET", "POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "get", "Get", "options", "CONNECT"];
    ["version", "version/1", "keys?version=1", "keys/!r?version=1", "keys/!r/s?version=1"]
        .map(|target| {
            let name = format!("each method without a token, and those that are not there: {target}");
            sequence(&name, methods.map(|method| request(method, target).without_token()))
        })
        .to_vec()
}

fn head() -> Vec<Sequence> {
    let paths = [
        "version",
        "version/1",
        "version/7",
        "keys?version=1",
        "keys",
        "keys/!r?version=1",
        "keys/!r/s?version=1",
    ];
    let upload = put("keys?version=1", &one_key(&key(0, 0, false)));
    vec![
        sequence(
            "HEAD is GET without the body",
            [new_version(), upload].into_iter().chain(paths.map(|path| request("HEAD", path))),
        ),
        sequence("HEAD needs a token", paths.map(|path| request("HEAD", path).without_token())),
    ]
}

fn beside_the_api() -> Vec<Sequence> {
    vec![
        sequence(
            "health needs no token",
            [
                get("/health").without_token(),
                get("/health?access_token=x"),
                request("HEAD", "/health").without_token(),
            ],
        ),
        sequence(
            "nothing is served at the root of the API",
            [get("/_matrix/client/v3/room_keys"), get("/_matrix/client/v3")],
        ),
    ]
}

/// OPTIONS without a token.
fn preflight(target: &str) -> Step {
    let synapse = Answered::from([("content-length".to_owned(), "0".into())]);
    let worker = Answered::from([
        ("content-length".to_owned(), serde_json::Value::Null),
        ("access-control-max-age".to_owned(), "86400".into()),
    ]);
    request("OPTIONS", target).without_token().differs(Known::Preflight, synapse, worker)
}

fn preflights() -> Vec<Sequence> {
    let cors = |step: Step| {
        step.header("Origin", "https://app.example")
            .header("Access-Control-Request-Method", "PUT")
            .header("Access-Control-Request-Headers", "authorization,content-type,x-other")
    };
    let known = ["version", "version/1", "keys", "keys/!r?version=1", "keys/a%2Fb/c?version=1"];
    let unknown = ["nothing", "keys/", "/_matrix/client/v1/room_keys/version", "/", "/health"];
    vec![
        sequence("preflights of every path", known.map(preflight)),
        sequence("preflights of unknown paths", unknown.map(preflight)),
        sequence("preflights as browsers send them", known.map(|target| cors(preflight(target)))),
        sequence(
            "a preflight with an unknown token, and with a body",
            [
                preflight("version").header("Authorization", "Bearer nobody"),
                preflight("version?access_token=nobody"),
                preflight("keys?version=1").body("x"),
            ],
        ),
        sequence(
            "other requests of a browser",
            [
                cors(get("version")),
                cors(get("version").without_token()),
                cors(get("nothing")),
                cors(request("PATCH", "keys")),
            ],
        ),
    ]
}
