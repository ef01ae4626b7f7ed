//! The types of YAML 1.1's unquoted scalars, by the rules of `PyYAML`'s resolver.

use super::yaml::Value;

/// What `PyYAML` makes of an unquoted scalar that looks like a boolean or a number.
///
/// `y`, `1e5`, `08` and `0o17` are text in YAML 1.1, though not in 1.2.
pub(super) fn resolve(text: &str) -> Value {
    if let Some(value) = boolean(text) {
        return Value::Bool(value);
    }
    if let Some(value) = integer(text) {
        return Value::Int(value);
    }
    if is_float(text) { Value::Float(text.to_owned()) } else { Value::Text(text.to_owned()) }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

fn integer(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x', ..] => (16, &digits[2..]),
        [b'0', b'b', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        [b'0'..=b'9', ..] => (10, digits),
        _ => return None,
    };
    // The sign has been taken off: `from_str_radix` would accept a second one.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    i128::from_str_radix(&digits.replace('_', ""), radix).ok().map(|value| sign * value)
}

/// A float has a point, and its exponent a sign.
fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let is_mantissa = mantissa.split_once('.').is_some_and(|(whole, rest)| {
        is_digits(whole) && is_digits(rest) && mantissa.bytes().any(|byte| byte.is_ascii_digit())
    });
    let is_exponent = |exponent: &str| {
        exponent.strip_prefix(['+', '-']).is_some_and(|digits| !digits.is_empty() && is_digits(digits))
    };
    is_mantissa && exponent.is_none_or(is_exponent)
}
