//! JSON that passes through unread: kept as the text that was sent.

use std::{collections::HashMap, fmt, ops::ControlFlow};

use memchr::memchr2;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// The deepest nesting of arrays and objects that a body may have.
///
/// Python's parser gives up a little beyond 950, and what it cannot read again must not be stored:
/// every later restore of that backup by Synapse would fail.
pub const MAX_DEPTH: usize = 900;

/// Python refuses to read an integer with more digits (`sys.int_info.default_max_str_digits`).
const MAX_INTEGER_DIGITS: usize = 4300;

/// One JSON value in the spelling in which it was sent, which Synapse can read again.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonText(Box<str>);

/// Why a JSON value cannot be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonTextError {
    /// A number overflows to infinity, which is no JSON once it is written again.
    InfiniteNumber,
    /// An integer has more digits than Python reads.
    IntegerTooLong,
}

impl fmt::Display for JsonTextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InfiniteNumber => "a number is too large for a 64-bit float",
            Self::IntegerTooLong => "an integer has more than 4300 digits",
        })
    }
}

impl std::error::Error for JsonTextError {}

impl JsonText {
    /// Takes a value whose syntax has been checked already (by serde's `RawValue`).
    ///
    /// # Errors
    ///
    /// [`JsonTextError`] if Synapse could not read the value again.
    pub fn new(text: impl Into<Box<str>>) -> Result<Self, JsonTextError> {
        let text = text.into();
        check_numbers(&text)?;
        Ok(Self(text))
    }

    /// Takes a value from the database, which is passed on as it is.
    pub fn from_column(text: String) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Shows no content: it is a user's.
impl fmt::Debug for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonText({} bytes)", self.0.len())
    }
}

/// Whether arrays and objects nest deeper than `limit` anywhere in `text`, which need not be valid JSON.
fn deeper_than(limit: usize, text: &str) -> bool {
    let mut depth = 0usize;
    outside_strings(text, |_, byte| {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .is_break()
}

/// A body that is no JSON object at all: refused before the backup is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// Not JSON, not UTF-8, or nested deeper than [`MAX_DEPTH`].
    NotJson,
    /// JSON, but not an object.
    NotAnObject,
}

/// The body as text that begins like an object: UTF-8 and not too deep; its syntax is still to be checked.
///
/// # Errors
///
/// [`BodyError`], where the answer is certain already.
pub(crate) fn object_text(body: &[u8]) -> Result<&str, BodyError> {
    let text = str::from_utf8(body).map_err(|_| BodyError::NotJson)?;
    if deeper_than(MAX_DEPTH, text) {
        return Err(BodyError::NotJson);
    }
    if text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{') {
        return Ok(text);
    }
    Err(if is_valid(text) { BodyError::NotAnObject } else { BodyError::NotJson })
}

/// Whether the text is one JSON value.
pub(crate) fn is_valid(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// The fields of an object, each as the text that was sent; of names that occur twice the last counts.
///
/// # Errors
///
/// [`BodyError`] if the body is not an object.
pub fn fields(body: &[u8]) -> Result<HashMap<String, &RawValue>, BodyError> {
    let text = object_text(body)?;
    serde_json::from_str(text).map_err(|_| BodyError::NotJson)
}

fn check_numbers(text: &str) -> Result<(), JsonTextError> {
    let mut end_of_number = 0;
    let outcome = outside_strings(text, |at, byte| {
        if at < end_of_number || !(byte.is_ascii_digit() || byte == b'-') {
            return ControlFlow::Continue(());
        }
        let number = number_at(&text[at..]);
        end_of_number = at + number.len();
        check_number(number).map_or_else(ControlFlow::Break, ControlFlow::Continue)
    });
    match outcome {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn number_at(text: &str) -> &str {
    let of_number = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
    let length = text.bytes().position(|byte| !of_number(byte)).unwrap_or(text.len());
    &text[..length]
}

fn check_number(number: &str) -> Result<(), JsonTextError> {
    let is_integer = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if is_integer {
        let digits = number.trim_start_matches('-').len();
        return if digits > MAX_INTEGER_DIGITS { Err(JsonTextError::IntegerTooLong) } else { Ok(()) };
    }
    match number.parse::<f64>() {
        Ok(value) if value.is_infinite() => Err(JsonTextError::InfiniteNumber),
        _ => Ok(()),
    }
}

/// Calls `visit` with each byte that is outside of string literals, and its position.
fn outside_strings<B>(text: &str, mut visit: impl FnMut(usize, u8) -> ControlFlow<B>) -> ControlFlow<B> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'"' {
            at = end_of_string(bytes, at + 1);
        } else {
            visit(at, byte)?;
            at += 1;
        }
    }
    ControlFlow::Continue(())
}

/// The position after the closing quote of the string whose content starts at `at`.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        if bytes[at + found] == b'"' {
            return at + found + 1;
        }
        at += found + 2;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_any_type_keep_their_spelling() {
        let long = "9".repeat(4300);
        for text in ["null", "\"\\u0000\\ud800\"", "1.0", "-0.0", "[ 1 , 2 ]", "{\"b\":1,\"a\":1e308}", &long]
        {
            assert_eq!(JsonText::new(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_number_that_overflows_to_infinity_is_refused() {
        for text in ["1e400", "-1e400", "{\"a\":[1,1E999]}", "1.5e+309"] {
            assert_eq!(JsonText::new(text), Err(JsonTextError::InfiniteNumber), "{text}");
        }
    }

    #[test]
    fn an_integer_that_python_cannot_read_is_refused() {
        assert_eq!(JsonText::new(format!("-{}", "9".repeat(4301))), Err(JsonTextError::IntegerTooLong));
    }

    #[test]
    fn numbers_inside_strings_are_only_text() {
        assert!(JsonText::new("{\"1e400\":\"\\\"1e400\"}").is_ok());
    }

    #[test]
    fn depth_counts_arrays_and_objects_but_not_brackets_in_strings() {
        assert!(!deeper_than(2, "{\"a\":[1],\"[[[\":[]}"));
        assert!(deeper_than(2, "{\"a\":[[1]]}"));
        assert!(deeper_than(900, &"[".repeat(901)));
    }

    #[test]
    fn what_is_stored_is_not_shown_by_debug() {
        assert_eq!(format!("{:?}", JsonText::new("\"secret\"").unwrap()), "JsonText(8 bytes)");
    }
}
