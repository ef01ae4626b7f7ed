//! `auth_data` comes back as it was sent.

use crate::sequence::{Sequence, get, post_text, put_text, sequence};

fn round_trip(name: &str, values: &[&str]) -> Sequence {
    let steps = values.iter().flat_map(|value| {
        let body = format!(r#"{{"algorithm":"m.test","auth_data":{value}}}"#);
        [post_text("version", &body), get("version"), put_text("version/1", &body), get("version/1")]
    });
    sequence(name, steps).crosswise()
}

pub(super) fn sequences() -> Vec<Sequence> {
    vec![
        round_trip("auth_data of any type", &["{}", "\"text\"", "[1,null,true]", "7", "true"]),
        round_trip("auth_data that is null, false, empty or zero", &["null", "false", "\"\"", "0", "[]"]),
        round_trip(
            "auth_data keeps numbers",
            &["{\"a\":1.0,\"b\":12345678901234567890123,\"c\":-0.0,\"d\":1e300}"],
        ),
        round_trip("auth_data keeps text", &[r#"{"\u0000":"\ud83d\ude00\u001f","é":"\ud800"}"#]),
        round_trip(
            "auth_data as clients send it",
            &[r#"{"public_key":"abc","signatures":{"@a:x":{"ed25519:DEV":"sig"}},"unknown":{"kept":[]}}"#],
        ),
    ]
}
