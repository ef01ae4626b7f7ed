//! JSON as a client with good eyes sees it: order and spacing mean nothing, but `1` and `1.0` are two things.

use std::collections::BTreeMap;

use serde_json::{Value, value::RawValue};

/// A body in a form that is equal for equal JSON. A number that is no 64-bit integer becomes `{"number": …}` with its text,
/// because `serde_json` would round it; a string that is no Unicode (a lone surrogate) becomes `{"string": …}`. What is not JSON
/// at all becomes its text, and an empty body null.
pub(crate) fn of_body(body: &[u8]) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    match serde_json::from_slice::<&RawValue>(body) {
        Ok(raw) => canonical(raw.get()),
        Err(_) => Value::String(String::from_utf8_lossy(body).into_owned()),
    }
}

fn canonical(text: &str) -> Value {
    match text.as_bytes().first() {
        Some(b'{') => match serde_json::from_str::<BTreeMap<String, &RawValue>>(text) {
            Ok(fields) => fields.into_iter().map(|(name, raw)| (name, canonical(raw.get()))).collect(),
            Err(_) => tagged("object", text.to_owned()),
        },
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).expect("it has been read as JSON before");
            items.into_iter().map(|raw| canonical(raw.get())).collect()
        }
        Some(b'"') => match serde_json::from_str(text) {
            Ok(string) => Value::String(string),
            Err(_) => tagged("string", text.to_lowercase()),
        },
        Some(b'-' | b'0'..=b'9') => number(text),
        _ => serde_json::from_str(text).expect("it has been read as JSON before"),
    }
}

fn number(text: &str) -> Value {
    let is_integer = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    match (is_integer, text.parse::<i64>(), text.parse::<f64>()) {
        (true, Ok(integer), _) => integer.into(),
        (false, _, Ok(float)) => tagged("number", format!("{float:?}")),
        _ => tagged("number", text.to_owned()),
    }
}

fn tagged(kind: &str, text: String) -> Value {
    Value::Object([(kind.to_owned(), Value::String(text))].into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_spelling_of_text_mean_nothing_but_the_kind_of_a_number_does() {
        assert_eq!(of_body(br#"{"a":1,"b":"\u00e9"}"#), of_body("{ \"b\": \"é\", \"a\": 1 }".as_bytes()));
        assert_eq!(of_body(b"[1e2]"), of_body(b"[100.0]"));
        assert_ne!(of_body(b"1"), of_body(b"1.0"));
        assert_ne!(of_body(b"0.0"), of_body(b"-0.0"));
        assert_ne!(of_body(b"18446744073709551616"), of_body(b"18446744073709551617"));
        assert_ne!(of_body(br#""\ud800""#), of_body(br#""\udfff""#));
    }
}
