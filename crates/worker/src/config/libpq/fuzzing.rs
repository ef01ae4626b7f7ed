//! What has to be true of every connection string, for cargo-fuzz and for the test that replays what it found.

use std::{collections::BTreeMap, path::Path};

use super::{
    super::{
        Environment,
        fuzzing::no_secret_in,
        node::Node,
        yaml::{Tree, Value},
    },
    conninfo::parse,
};

/// Reads a connection string by itself, and as Synapse's `dsn`.
///
/// # Panics
///
/// When something is not as it has to be.
pub fn conninfo(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    let pairs = parse(&text);
    if let Ok(pairs) = &pairs
        && pairs.keys().all(|name| !name.is_empty() && !name.contains(is_outside_names))
    {
        let written: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
        // The space in front keeps a strange name from being taken for a URI.
        assert_eq!(
            parse(&format!(" {}", written.join(" "))).as_ref(),
            Ok(pairs),
            "written and read again it is another"
        );
    }
    let shown = settings(text);
    let (secrets, others): (Vec<_>, Vec<_>) =
        pairs.unwrap_or_default().into_iter().partition(|(name, _)| name.contains("password"));
    let others: Vec<_> = others.into_iter().flat_map(|(name, value)| [name, value]).collect();
    let secrets: Vec<_> = secrets.into_iter().map(|(_, value)| value).collect();
    no_secret_in(&shown, &secrets, &others);
}

/// What is shown of the connection, or of what is wrong with it.
fn settings(dsn: String) -> String {
    let entries = BTreeMap::from([("dsn".to_owned(), Tree { value: Value::Text(dsn), line: 1 })]);
    let tree = Tree { value: Value::Map(entries), line: 1 };
    let args = Node::new(&tree, Path::new("homeserver.yaml"), "database.args");
    let environment = Environment { user: Some("user".to_owned()), ..Environment::default() };
    let mut warnings = Vec::new();
    let connection =
        args.section().and_then(|args| super::connection(&args, &environment, "w", &mut warnings));
    match connection {
        Ok(connection) => format!("{connection:?} {warnings:?}"),
        Err(error) => error.to_string(),
    }
}

fn is_outside_names(character: char) -> bool {
    character == '=' || character.is_whitespace()
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
}
