//! One YAML text, read as Synapse's `PyYAML` (`safe_load`, YAML 1.1) reads it.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{
    Error, Spanned,
    options::{DuplicateKeyPolicy, NonFiniteFloatPolicy},
};

use super::scalar;

/// A node of the document and the line on which it stands.
///
/// There is no `Debug`: any value may be a secret.
pub(super) struct Tree {
    pub(super) value: Value,
    pub(super) line: u64,
}

/// What `PyYAML` makes of a node.
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    /// As it is written: nothing that the worker reads is a float.
    Float(String),
    Text(String),
    List(Vec<Tree>),
    /// Keys as they are written.
    Map(BTreeMap<String, Tree>),
}

/// Where and why a text is not YAML. `reason` is one of our own sentences and holds nothing of the text.
pub(super) struct SyntaxError {
    pub(super) line: u64,
    pub(super) column: u64,
    pub(super) reason: &'static str,
}

/// Reads one document; JSON is YAML too. Nothing at all is `Null`.
///
/// Anchors, merge keys (`<<`) and repeated keys (the last one counts) are as in `PyYAML`; tags that
/// `safe_load` does not know are refused.
pub(super) fn parse(source: &str) -> Result<Tree, SyntaxError> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        legacy_octal_numbers: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    let document: Option<Spanned<Node>> =
        serde_saphyr::from_str_with_options(source, options).map_err(|error| syntax_error(&error))?;
    Ok(document.map_or(Tree { value: Value::Null, line: 1 }, |node| tree(source, node)))
}

fn syntax_error(error: &Error) -> SyntaxError {
    let (line, column) = error.location().map_or((1, 1), |place| (place.line(), place.column()));
    let reason = match error {
        Error::UnknownAnchor { .. } => {
            "an alias without an anchor (a value that starts with `*` needs quotes)"
        }
        Error::UnsupportedTag { .. } => "an unknown tag (a value that starts with `!` needs quotes)",
        Error::MultipleDocuments { .. } => "a second document begins here; a file holds one",
        Error::MergeValueNotMapOrSeqOfMaps { .. } => "`<<` merges mappings only",
        Error::AliasReplayLimitExceeded { .. } | Error::Budget { .. } => {
            "more nodes than any configuration has"
        }
        _ => "not valid YAML here or just before (look at indentation, quotes and the space after a colon)",
    };
    SyntaxError { line, column, reason }
}

/// Puts `PyYAML`'s types in place of the parser's: only the source tells `1e5` from `100000.0`.
fn tree(source: &str, node: Spanned<Node>) -> Tree {
    let line = node.referenced.line();
    let value = match node.value {
        Node::Null => Value::Null,
        Node::Plain => scalar::resolve(plain_text(source, &node.defined)),
        Node::Text(text) => Value::Text(text),
        Node::List(items) => Value::List(items.into_iter().map(|item| tree(source, item)).collect()),
        Node::Map(entries) => {
            Value::Map(entries.into_iter().map(|(key, entry)| (key, tree(source, entry))).collect())
        }
    };
    Tree { value, line }
}

fn plain_text<'a>(source: &'a str, place: &serde_saphyr::Location) -> &'a str {
    let span = place.span();
    let start = span.byte_offset().and_then(|offset| usize::try_from(offset).ok()).unwrap_or(0);
    let length = span.byte_len().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    source.get(start..start + length).unwrap_or("")
}

/// What the parser hands over. `Plain` is an unquoted scalar that it takes for a boolean or a number.
enum Node {
    Null,
    Plain,
    Text(String),
    List(Vec<Spanned<Node>>),
    Map(BTreeMap<String, Spanned<Node>>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a YAML node")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Plain)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Plain)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Plain)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Plain)
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((key, entry)) = entries.next_entry()? {
            map.insert(key, entry);
        }
        Ok(Node::Map(map))
    }
}

#[cfg(test)]
#[path = "yaml_tests.rs"]
mod tests;
