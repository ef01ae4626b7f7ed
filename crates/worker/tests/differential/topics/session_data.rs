//! `session_data` comes back as it was sent.

use serde_json::json;

use crate::sequence::{Sequence, get, new_version, put_text, sequence};

fn round_trip(name: &str, values: &[&str]) -> Sequence {
    let steps = values.iter().enumerate().flat_map(|(number, value)| {
        let target = format!("keys/!r/s{number}?version=1");
        let body = format!(
            r#"{{"first_message_index":0,"forwarded_count":0,"is_verified":false,"session_data":{value}}}"#
        );
        [put_text(&target, &body), get(&target)]
    });
    sequence(name, [new_version()].into_iter().chain(steps).chain([get("keys?version=1")])).crosswise()
}

pub(super) fn sequences() -> Vec<Sequence> {
    let nested = format!("{}{}", "[".repeat(300), "]".repeat(300));
    let deep = json!({ "a": [{ "b": { "c": [[], {}] } }] }).to_string();
    vec![
        round_trip(
            "session_data of any type",
            &["{}", "[]", "null", "true", "\"text\"", "\"\"", "0", &deep, &nested],
        ),
        round_trip(
            "integers beyond 64 bits",
            &["18446744073709551616", "-9223372036854775809", "123456789012345678901234567890"],
        ),
        round_trip(
            "floats stay floats",
            &["1.0", "-0.0", "0.1", "1e2", "1E-7", "1e308", "5e-324", "[1,1.0]"],
        ),
        round_trip(
            "strings with escapes",
            &[r#""\u0000""#, r#""\u001f\n\t\"\\\/""#, r#""\ud83d\ude00 😀""#, r#"{"\u0000":1}"#],
        ),
        round_trip(
            "non-characters and combining marks",
            &["\"\u{ffff}\u{10ffff}\"", "\"e\u{301}\"", "\"\u{feff}\"", "\"\u{2028}\""],
        ),
        round_trip("lone surrogates", &[r#""\ud800""#, r#"["\udfff\ud800"]"#]),
        round_trip("spaces inside", &["{ \"a\" : [ 1 , 2 ] }", "[\n1\t]"]),
        round_trip("names in any order, also twice", &[r#"{"b":1,"a":2}"#, r#"{"a":1,"a":2}"#]),
        round_trip(
            "data that looks like SQL, HTML or a template",
            &["\"'; DROP TABLE x; --\"", "\"<b>&amp;</b>\"", "\"%s {0} $1\""],
        ),
        round_trip("as clients send it", &[r#"{"ephemeral":"Zm9v","ciphertext":"YmFy","mac":"YmF6"}"#]),
    ]
}
