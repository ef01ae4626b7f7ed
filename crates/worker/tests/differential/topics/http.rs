//! HTTP itself.

use serde_json::json;

use crate::{
    known::Known,
    sequence::{
        Sequence, Step, get, key, new_version, one_key, pipelined, put, put_after_continue, request, sequence,
    },
    stated::{error, header, nothing},
};

pub(super) fn sequences() -> Vec<Sequence> {
    [framing(), versions(), headers(), known()].concat()
}

fn upload() -> Step {
    put("keys?version=1", &one_key(&key(0, 0, false)))
}

fn framing() -> Vec<Sequence> {
    [bodies(), connections(), no_bodies()].concat()
}

fn bodies() -> Vec<Sequence> {
    vec![
        sequence(
            "a chunked body",
            [
                new_version(),
                request("PUT", "keys?version=1").chunked(&["{\"rooms\":", "{\"!r\":{\"sessions\":{}}", "}}"]),
                request("PUT", "keys?version=1").chunked(&["{\"rooms\":{}}"]),
                request("PUT", "keys?version=1").chunked(&["{\"rooms\":"]),
                request("PUT", "keys?version=1").chunked(&[]),
            ],
        ),
        sequence(
            "a body after 100 Continue",
            [
                new_version(),
                put_after_continue("keys?version=1", &one_key(&key(0, 0, false))),
                get("keys?version=1"),
            ],
        ),
    ]
}

fn connections() -> Vec<Sequence> {
    vec![
        sequence(
            "requests in one go are answered in their order",
            [
                new_version(),
                pipelined([
                    upload(),
                    get("keys?version=1"),
                    get("version"),
                    get("version/7"),
                    get("nothing"),
                ]),
                pipelined([upload(), upload(), get("version")]),
            ],
        ),
        sequence(
            "a connection goes on after an error",
            [pipelined([
                get("version").without_token(),
                request("PUT", "keys?version=1").body("x"),
                request("DELETE", "keys").body("unread"),
                new_version(),
                get("version"),
            ])],
        ),
    ]
}

fn no_bodies() -> Vec<Sequence> {
    vec![
        sequence(
            "no body and no length",
            [new_version(), request("PUT", "keys?version=1"), request("POST", "version")],
        ),
        sequence(
            "a body with methods that have none",
            [request("GET", "version").body("{}"), request("DELETE", "version/1").body("{}")],
        ),
    ]
}

fn versions() -> Vec<Sequence> {
    vec![sequence(
        "HTTP/1.0",
        [
            new_version().http10(),
            upload().http10(),
            get("version").http10(),
            get("keys?version=1").http10(),
            get("nothing").http10(),
            get("version").http10().without_token(),
            get("version").http10().header("Connection", "keep-alive"),
        ],
    )]
}

fn headers() -> Vec<Sequence> {
    let conditions = [
        ("Accept", "text/html"),
        ("Accept-Encoding", "gzip, br"),
        ("If-None-Match", "*"),
        ("If-Match", "\"x\""),
        ("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"),
        ("Range", "bytes=0-3"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("Origin", "https://app.example"),
        ("Connection", "close"),
        ("Connection", "Upgrade"),
        ("X-Forwarded-For", "1.2.3.4, 5.6.7.8"),
        ("X-Forwarded-For", ""),
        ("User-Agent", "é"),
    ];
    let reads = conditions.map(|(name, value)| get("keys?version=1").header(name, value));
    vec![
        sequence("headers that change nothing", [new_version(), upload()].into_iter().chain(reads)),
        sequence(
            "a full URL as the target",
            [
                new_version(),
                get("http://example.com/_matrix/client/v3/room_keys/version"),
                put(
                    "http://other.example/_matrix/client/v3/room_keys/keys?version=1",
                    &json!({ "rooms": {} }),
                ),
            ],
        ),
    ]
}

fn known() -> Vec<Sequence> {
    let too_large = vec![b' '; 52_428_801 + 13_107_200];
    vec![
        sequence(
            "an X-Forwarded-For that is not ASCII is left alone",
            [get("version").header("X-Forwarded-For", "é").differs(
                Known::ForwardedForNotAscii,
                nothing(),
                error(404, "M_NOT_FOUND", "No backup found"),
            )],
        ),
        sequence(
            "a body beyond the limit is answered",
            [put("keys?version=1", &json!({})).body(too_large).differs(
                Known::BodyTooLarge,
                nothing(),
                error(413, "M_TOO_LARGE", "Request content is too large (>52428800)"),
            )],
        ),
        sequence(
            "a method that is not there is told which are",
            [request("PATCH", "version").differs(
                Known::AllowHeader,
                header("allow", None),
                header("allow", Some("GET, HEAD, POST, OPTIONS")),
            )],
        ),
        sequence(
            "each server says who it is",
            [get("version").differs(
                Known::ServerHeader,
                header("server", Some("Synapse")),
                header("server", Some("key-backup-worker")),
            )],
        ),
    ]
}
