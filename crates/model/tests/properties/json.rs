//! JSON texts in all their spellings.

use proptest::{collection::vec, prelude::*, sample::select};

/// White space between tokens.
fn space() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just(""), 1 => Just(" "), 1 => Just("\r\n\t ")]
}

/// A string, written plainly or with every UTF-16 unit escaped.
pub(crate) fn spelled(text: impl Strategy<Value = String> + 'static) -> BoxedStrategy<String> {
    (text, prop::bool::weighted(0.2))
        .prop_map(|(text, escaped)| {
            if escaped {
                let units: Vec<String> = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
                format!("\"{}\"", units.concat())
            } else {
                serde_json::to_string(&text).unwrap()
            }
        })
        .boxed()
}

/// An id as a name, from so few that they occur twice; some need escapes, and now and then one holds U+0000.
pub(crate) fn id() -> BoxedStrategy<String> {
    let ids = vec!["", "a", "b", "!room:x", "s/+=", "é😀", "\"\\\n", "rooms"];
    spelled(prop_oneof![60 => select(ids).prop_map(str::to_owned), 1 => Just("\0".to_owned())]).boxed()
}

/// One entry of an object.
pub(crate) fn entry(
    name: impl Strategy<Value = String> + 'static,
    value: impl Strategy<Value = String> + 'static,
) -> BoxedStrategy<String> {
    (space(), name, space(), space(), value, space())
        .prop_map(|(before, name, after, space, value, end)| {
            format!("{before}{name}{after}:{space}{value}{end}")
        })
        .boxed()
}

/// An object of these entries.
pub(crate) fn object(entries: impl Strategy<Value = Vec<String>> + 'static) -> BoxedStrategy<String> {
    (space(), entries, space())
        .prop_map(|(before, entries, after)| format!("{before}{{{}}}{after}", entries.join(",")))
        .boxed()
}

/// Any value whose numbers a 64-bit float can hold.
pub(crate) fn value() -> BoxedStrategy<String> {
    let numbers =
        vec!["0", "-1", "1.0", "-0.0", "1e300", "9007199254740993", "123456789012345678901234567890"];
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        select(numbers).prop_map(str::to_owned),
        spelled(any::<String>()),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(" , "))),
            object(vec(entry(id(), inner), 0..4)),
        ]
    })
    .boxed()
}
