//! What the reader makes of YAML's corners; the expectations are what `PyYAML` 6 `safe_load` prints for the same text (floats stay as they are written).

use super::{Tree, Value, parse};

/// The value of the key `v`, in Python's spelling.
fn python(source: &str) -> String {
    let Ok(Tree { value: Value::Map(entries), .. }) = parse(source) else {
        return "not a mapping".to_owned();
    };
    repr(&entries["v"])
}

fn repr(tree: &Tree) -> String {
    match &tree.value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Float(text) => text.clone(),
        Value::Text(text) => format!("'{text}'"),
        Value::List(items) => format!("[{}]", items.iter().map(repr).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let entries: Vec<_> =
                entries.iter().map(|(key, value)| format!("'{key}': {}", repr(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

#[test]
fn scalars_have_the_types_of_yaml_1_1() {
    for (source, expected) in [
        ("v: yes", "True"),
        ("v: On", "True"),
        ("v: NO", "False"),
        ("v: off", "False"),
        ("v: y", "'y'"),
        ("v: n", "'n'"),
        ("v: yEs", "'yEs'"),
        ("v: 'yes'", "'yes'"),
        ("v: \"on\"", "'on'"),
        ("v: 5432", "5432"),
        ("v: -1", "-1"),
        ("v: +7", "7"),
        ("v: 1_000", "1000"),
        ("v: 0666", "438"),
        ("v: 0o666", "'0o666'"),
        ("v: 0x1F", "31"),
        ("v: 0b101", "5"),
        ("v: 08", "'08'"),
        ("v: 1e5", "'1e5'"),
        ("v: 1234e5678", "'1234e5678'"),
        ("v: 12345678901234567890123", "12345678901234567890123"),
        ("v: 1.5", "1.5"),
        ("v: 1.5e+3", "1.5e+3"),
        ("v: .inf", ".inf"),
        ("v: '5432'", "'5432'"),
        ("v: ~", "None"),
        ("v: null", "None"),
        ("v:", "None"),
        ("v: 'null'", "'null'"),
        ("v: ''", "''"),
        ("v: |\n  a\n  b\n", "'a\nb\n'"),
        ("v: >-\n  a\n  b\n", "'a b'"),
        ("v: 50M", "'50M'"),
        ("v: 127.0.0.1", "'127.0.0.1'"),
    ] {
        assert_eq!(python(source), expected, "{source}");
    }
}

#[test]
fn plain_scalars_are_found_wherever_they_stand() {
    for (source, expected) in [
        ("# é ü\nk: ñ\nv: 1e5", "'1e5'"),
        ("v: [1e5, 0666, yes]", "['1e5', 438, True]"),
        ("v: {a: 1e5, b: 0666}", "{'a': '1e5', 'b': 438}"),
        ("v: &anchor 1e5", "'1e5'"),
        ("k: &anchor 1e5\nv: *anchor", "'1e5'"),
        ("k: &anchor 0666\nv: [*anchor, *anchor]", "[438, 438]"),
        ("k: &base {a: 0666, b: 1e5}\nv:\n  <<: *base\n  b: 1", "{'a': 438, 'b': 1}"),
        ("v: 0666   # the mode", "438"),
        ("v: !!str 123", "'123'"),
        ("v: !!int 0666", "438"),
        ("---\nv: 1e5\n...\n", "'1e5'"),
        ("{\"v\": [true, null, 1, \"x\"]}", "[True, None, 1, 'x']"),
        ("\u{feff}v: 1e5", "'1e5'"),
        ("k: 1\r\nv: 1e5\r\n", "'1e5'"),
    ] {
        assert_eq!(python(source), expected, "{source}");
    }
}

#[test]
fn the_last_of_repeated_keys_counts() {
    assert_eq!(python("v: 1\nv: 2"), "2");
}

#[test]
fn explicit_keys_beat_merged_ones_and_earlier_sources_beat_later_ones() {
    let source = "a: &a {x: 1, y: 1}\nb: &b {x: 2, z: 2}\nv:\n  z: 0\n  <<: [*a, *b]\n";
    let Ok(Tree { value: Value::Map(entries), .. }) = parse(source) else { panic!("no mapping") };
    let Value::Map(merged) = &entries["v"].value else { panic!("no mapping") };
    let merged: Vec<_> = merged.iter().map(|(key, value)| format!("{key}={}", repr(value))).collect();
    assert_eq!(merged, ["x=1", "y=1", "z=0"]);
}

#[test]
fn an_empty_document_is_null() {
    for source in ["", "\n", "# nothing\n", "---\n", "~"] {
        assert!(matches!(parse(source), Ok(Tree { value: Value::Null, .. })), "{source:?}");
    }
}

#[test]
fn a_node_knows_its_line() {
    let Ok(Tree { value: Value::Map(entries), .. }) = parse("a: 1\nb:\n  - x\n") else {
        panic!("no mapping")
    };
    assert_eq!(entries["a"].line, 1);
    let Value::List(items) = &entries["b"].value else { panic!("no list") };
    assert_eq!(items[0].line, 3);
}

#[test]
fn a_syntax_error_has_a_place_and_nothing_of_the_text() {
    for (source, line) in [
        ("a: 1\npassword: 's3cret", 2),
        ("a: 1\npassword: s3cret: s3cret", 2),
        ("password: *s3cret", 1),
        ("password: !s3cret x", 1),
        ("password: @s3cret", 1),
        ("password: [s3cret", 1),
        ("a: 1\n---\npassword: s3cret", 2),
        ("<<: s3cret", 1),
    ] {
        let error = parse(source).err().unwrap();
        assert!(error.line >= line && error.column > 0, "{source}: {}", error.line);
        assert!(!error.reason.contains("s3cret"), "{source}");
    }
}
