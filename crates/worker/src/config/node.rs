//! Typed reading of configuration values: every mistake becomes one message that names its place.

use std::{
    collections::BTreeMap,
    fmt::Display,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use url::Url;

use super::{
    ConfigError, units,
    yaml::{Tree, Value},
};

/// A value, and where it stands.
///
/// There is no `Debug`: the value may be a secret.
#[derive(Clone)]
pub(super) struct Node<'a> {
    tree: &'a Tree,
    file: &'a Path,
    key: String,
}

impl<'a> Node<'a> {
    pub(super) fn new(tree: &'a Tree, file: &'a Path, key: impl Into<String>) -> Self {
        Self { tree, file, key: key.into() }
    }

    /// Its file, line and key, for messages.
    pub(super) fn place(&self) -> String {
        let line = format!("{}, line {}", self.file.display(), self.tree.line);
        if self.key.is_empty() { line } else { format!("{line}, {}", self.key) }
    }

    pub(super) fn error(&self, problem: impl Into<String>) -> ConfigError {
        ConfigError::new(self.place(), problem)
    }

    /// For what is no value that `what` describes.
    pub(super) fn expected(&self, what: &str) -> ConfigError {
        self.error(format!("expected {what}"))
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.tree.value, Value::Null)
    }

    /// Python's truth of the value, by which Synapse asks whether some keys are given.
    pub(super) fn is_truthy(&self) -> bool {
        match &self.tree.value {
            Value::Null | Value::Bool(false) | Value::Int(0) => false,
            Value::Text(text) => !text.is_empty(),
            Value::List(items) => !items.is_empty(),
            Value::Map(entries) => !entries.is_empty(),
            Value::Bool(true) | Value::Int(_) | Value::Float(_) => true,
        }
    }

    pub(super) fn text(&self) -> Result<&'a str, ConfigError> {
        match &self.tree.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.expected("a string")),
        }
    }

    /// Any scalar in Python's `str()` of it, as libpq's keywords get theirs.
    pub(super) fn scalar(&self) -> Result<String, ConfigError> {
        match &self.tree.value {
            Value::Bool(true) => Ok("True".to_owned()),
            Value::Bool(false) => Ok("False".to_owned()),
            Value::Int(number) => Ok(number.to_string()),
            Value::Float(text) | Value::Text(text) => Ok(text.clone()),
            Value::Null | Value::List(_) | Value::Map(_) => Err(self.expected("a string or a number")),
        }
    }

    /// A path; relative ones are relative to the working directory.
    pub(super) fn path(&self) -> Result<PathBuf, ConfigError> {
        match self.text() {
            Ok(text) if !text.is_empty() => Ok(PathBuf::from(text)),
            _ => Err(self.expected("a path")),
        }
    }

    /// The address of an HTTP service, to which paths can be added.
    pub(super) fn http_url(&self) -> Result<Url, ConfigError> {
        let url = Url::parse(self.text()?).ok().filter(|url| {
            let is_bare = url.username().is_empty() && url.password().is_none();
            matches!(url.scheme(), "http" | "https")
                && is_bare
                && url.query().is_none()
                && url.fragment().is_none()
        });
        url.ok_or_else(|| self.expected("an http:// or https:// URL without a user, `?` or `#`"))
    }

    pub(super) fn bool(&self) -> Result<bool, ConfigError> {
        match self.tree.value {
            Value::Bool(value) => Ok(value),
            _ => Err(self.expected("true or false")),
        }
    }

    pub(super) fn integer<T>(&self, range: RangeInclusive<T>) -> Result<T, ConfigError>
    where
        T: TryFrom<i128> + PartialOrd + Display,
    {
        let (least, most) = range.into_inner();
        if let Value::Int(number) = self.tree.value
            && let Ok(number) = T::try_from(number)
            && least <= number
            && number <= most
        {
            return Ok(number);
        }
        Err(self.expected(&format!("a whole number from {least} to {most}")))
    }

    /// Synapse's size, in bytes.
    pub(super) fn size(&self) -> Result<u64, ConfigError> {
        let size = match &self.tree.value {
            Value::Int(bytes) => u64::try_from(*bytes).ok(),
            Value::Text(text) => units::size(text),
            _ => None,
        };
        size.ok_or_else(|| self.expected("a size: bytes, or a number with K, M, G or T"))
    }

    /// Synapse's duration.
    pub(super) fn duration(&self) -> Result<Duration, ConfigError> {
        let duration = match &self.tree.value {
            Value::Int(millis) => u64::try_from(*millis).ok().map(Duration::from_millis),
            Value::Text(text) => units::duration(text),
            _ => None,
        };
        duration.ok_or_else(|| self.expected("a duration: milliseconds, or a number with s, m, h, d, w or y"))
    }

    pub(super) fn items(&self) -> Result<Vec<Node<'a>>, ConfigError> {
        let Value::List(items) = &self.tree.value else {
            return Err(self.expected("a list"));
        };
        let item = |(index, tree)| Node::new(tree, self.file, format!("{}[{index}]", self.key));
        Ok(items.iter().enumerate().map(item).collect())
    }

    pub(super) fn section(&self) -> Result<Section<'a>, ConfigError> {
        match &self.tree.value {
            Value::Map(entries) => Ok(Section { entries, node: self.clone() }),
            _ => Err(self.expected("a mapping")),
        }
    }
}

/// A mapping of keys to values.
pub(super) struct Section<'a> {
    entries: &'a BTreeMap<String, Tree>,
    node: Node<'a>,
}

impl<'a> Section<'a> {
    /// The value of a key; null counts as not given, as in most of Synapse.
    pub(super) fn get(&self, key: &str) -> Option<Node<'a>> {
        self.get_or_null(key).filter(|node| !node.is_null())
    }

    /// The value of a key where null has a meaning of its own.
    pub(super) fn get_or_null(&self, key: &str) -> Option<Node<'a>> {
        self.entries.get(key).map(|tree| self.entry(key, tree))
    }

    /// A required value.
    pub(super) fn require(&self, key: &str, what: &str) -> Result<Node<'a>, ConfigError> {
        self.get(key).ok_or_else(|| self.node.error(format!("`{key}` is missing: expected {what}")))
    }

    /// Every key that has a value, sorted.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, Node<'a>)> {
        self.entries.iter().map(|(key, tree)| (key.as_str(), self.entry(key, tree)))
    }

    pub(super) fn error(&self, problem: impl Into<String>) -> ConfigError {
        self.node.error(problem)
    }

    fn entry(&self, key: &str, tree: &'a Tree) -> Node<'a> {
        let path = if self.node.key.is_empty() { key.to_owned() } else { format!("{}.{key}", self.node.key) };
        Node::new(tree, self.node.file, path)
    }
}

/// Reads an optional value, or gives its default.
pub(super) fn or<'a, T>(
    node: Option<Node<'a>>,
    read: impl FnOnce(&Node<'a>) -> Result<T, ConfigError>,
    default: T,
) -> Result<T, ConfigError> {
    Ok(optional(node, read)?.unwrap_or(default))
}

/// Reads an optional value.
pub(super) fn optional<'a, T>(
    node: Option<Node<'a>>,
    read: impl FnOnce(&Node<'a>) -> Result<T, ConfigError>,
) -> Result<Option<T>, ConfigError> {
    node.map(|node| read(&node)).transpose()
}
