//! Where a token stands and what it looks like.

use crate::{
    known::Known,
    sequence::{Sequence, Step, get, new_version, put, request, sequence},
    stated::{answered, internal_server_error},
};

pub(super) fn sequences() -> Vec<Sequence> {
    [headers(), parameters(), both(), everywhere(), not_ascii()].concat()
}

fn authorization(value: &str) -> Step {
    get("version").without_token().header("Authorization", value)
}

fn headers() -> Vec<Sequence> {
    let table: [(&str, &[&str]); 7] = [
        (
            "the scheme is case-sensitive",
            &["bearer {token}", "BEARER {token}", "Basic {token}", "Bearer: {token}"],
        ),
        ("a token follows one space", &["Bearer  {token}", "Bearer{token}", "Bearer\t{token}", "{token}"]),
        (
            "nothing follows the token",
            &["Bearer {token} x", "Bearer {token},x", "Bearer {token} Bearer {token}"],
        ),
        ("an empty token", &["Bearer", "Bearer ", "", " "]),
        (
            "space around the value does not count",
            &[" Bearer {token}", "Bearer {token} ", "\tBearer {token}\t"],
        ),
        (
            "tokens that nobody has",
            &["Bearer x", "Bearer {token}x", "Bearer {user}", "Bearer %20", "Bearer \"{token}\""],
        ),
        ("a macaroon that is none", &["Bearer MDAxY2xvY2F0aW9uIHRlc3QK", "Bearer mct_abc", "Bearer syr_abc"]),
    ];
    table.map(|(name, values)| sequence(name, values.iter().map(|value| authorization(value)))).to_vec()
}

fn parameters() -> Vec<Sequence> {
    let table: [(&str, &[&str]); 5] = [
        (
            "a token may stand in the query string",
            &["access_token={token}", "a=b&access_token={token}", "access%5Ftoken={token}"],
        ),
        (
            "the first token of a query string counts",
            &["access_token={token}&access_token=x", "access_token=x&access_token={token}"],
        ),
        (
            "an empty token in the query string is unknown",
            &["access_token=", "access_token", "access_token=&access_token={token}"],
        ),
        (
            "the parameter is case-sensitive",
            &["Access_token={token}", "access-token={token}", "accesstoken={token}"],
        ),
        (
            "space around a token in the query counts",
            &["access_token=+{token}", "access_token={token}%20", "access_token={token}%0A"],
        ),
    ];
    let step = |query: &&str| get(&format!("version?{query}")).without_token();
    table.map(|(name, queries)| sequence(name, queries.iter().map(step))).to_vec()
}

fn both() -> Vec<Sequence> {
    vec![
        sequence(
            "a token in the header and one in the query string are too many",
            [
                get("version?access_token={token}"),
                get("version?access_token="),
                get("version?access_token"),
                get("version?access_token={token}").without_token().header("Authorization", "nonsense"),
            ],
        ),
        sequence(
            "two Authorization headers are too many",
            [
                get("version").header("Authorization", "Bearer {token}"),
                get("version").header("Authorization", ""),
                get("version").header("Authorization", "Bearer x").header("authorization", "Bearer y"),
            ],
        ),
        sequence(
            "the name of the header has no case",
            [get("version").without_token().header("aUTHORIZATION", "Bearer {token}")],
        ),
    ]
}

fn everywhere() -> Vec<Sequence> {
    let targets = [
        ("GET", "version"),
        ("POST", "version"),
        ("GET", "version/1"),
        ("PUT", "version/1"),
        ("DELETE", "version/1"),
        ("GET", "keys?version=1"),
        ("PUT", "keys?version=1"),
        ("DELETE", "keys?version=1"),
        ("PUT", "keys/!r?version=1"),
        ("GET", "keys/!r/s?version=1"),
    ];
    let without = |(method, target)| request(method, target).without_token();
    let unknown =
        |(method, target)| request(method, target).without_token().header("Authorization", "Bearer nobody");
    vec![
        sequence("every operation needs a token", targets.map(without)),
        sequence("every operation refuses an unknown token", targets.map(unknown)),
        sequence(
            "a token in the query string lets uploads in",
            [
                new_version(),
                put("keys?version=1&access_token={token}", &serde_json::json!({ "rooms": {} }))
                    .without_token(),
            ],
        ),
    ]
}

fn not_ascii() -> Vec<Sequence> {
    let unknown = |step: Step| {
        let text = "Invalid access token passed.";
        let body = serde_json::json!({ "errcode": "M_UNKNOWN_TOKEN", "error": text, "soft_logout": false });
        step.differs(Known::TokenNotAscii, internal_server_error(), answered(401, body))
    };
    let header =
        |value: &'static [u8]| unknown(get("version").without_token().header("Authorization", value));
    let parameter = |value: &str| unknown(get(&format!("version?access_token={value}")).without_token());
    vec![
        sequence(
            "a token that is not ASCII in the header",
            [header("Bearer é".as_bytes()), header(b"Bearer \xff")],
        ),
        sequence("a token that is not ASCII in the query string", [parameter("%C3%A9"), parameter("%FF")]),
    ]
}
