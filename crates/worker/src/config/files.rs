//! From the paths on the command line to one merged configuration, as Synapse merges it.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::{
    ConfigError,
    node::Node,
    yaml::{self, Tree, Value},
};

/// The merged top-level keys; each knows its file.
pub(super) struct Files {
    keys: BTreeMap<String, (PathBuf, Tree)>,
    read: Vec<PathBuf>,
    /// What was asked for, so that the rest can be told.
    asked: RefCell<BTreeSet<String>>,
}

impl Files {
    /// Reads every file, in order. A later file replaces whole top-level keys of earlier ones.
    pub(super) fn read(paths: &[PathBuf], warnings: &mut Vec<String>) -> Result<Self, ConfigError> {
        let read = expand(paths, warnings)?;
        let mut files = Self { keys: BTreeMap::new(), read, asked: RefCell::default() };
        for file in &files.read {
            let Value::Map(entries) = read_yaml(file)?.value else {
                warnings.push(format!("{} is empty or no mapping, and is ignored", file.display()));
                continue;
            };
            files.keys.extend(entries.into_iter().map(|(key, tree)| (key, (file.clone(), tree))));
        }
        Ok(files)
    }

    /// The value of a top-level key; null counts as not given.
    pub(super) fn get(&self, key: &str) -> Option<Node<'_>> {
        self.asked.borrow_mut().insert(key.to_owned());
        let (file, tree) = self.keys.get(key)?;
        Some(Node::new(tree, file, key)).filter(|node| !node.is_null())
    }

    /// Whether a top-level key stands anywhere, be it null.
    pub(super) fn contains(&self, key: &str) -> bool {
        self.asked.borrow_mut().insert(key.to_owned());
        self.keys.contains_key(key)
    }

    /// The top-level keys that nothing has asked for so far, sorted.
    pub(super) fn unused(&self) -> Vec<String> {
        let asked = self.asked.borrow();
        self.keys.keys().filter(|key| !asked.contains(*key)).cloned().collect()
    }

    /// A key that stands in no file.
    pub(super) fn missing(&self, key: &str, what: &str) -> ConfigError {
        let files: Vec<_> = self.read.iter().map(|file| file.display().to_string()).collect();
        ConfigError::new(files.join(", "), format!("`{key}` is missing: expected {what}"))
    }
}

/// Reads one YAML file.
pub(super) fn read_yaml(file: &Path) -> Result<Tree, ConfigError> {
    let place = file.display().to_string();
    let bytes = fs::read(file)
        .map_err(|error| ConfigError::new(&place, format!("cannot read it: {}", error.kind())))?;
    let text = String::from_utf8(bytes).map_err(|_| ConfigError::new(&place, "expected UTF-8 text"))?;
    yaml::parse(&text).map_err(|error| {
        let place = format!("{place}, line {}, column {}", error.line, error.column);
        ConfigError::new(place, error.reason)
    })
}

/// Puts the `*.yaml` files of a directory, sorted, in its place.
fn expand(paths: &[PathBuf], warnings: &mut Vec<String>) -> Result<Vec<PathBuf>, ConfigError> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(directory(path, warnings)?);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn directory(directory: &Path, warnings: &mut Vec<String>) -> Result<Vec<PathBuf>, ConfigError> {
    let unreadable = |error| ConfigError::unreadable(directory.display().to_string(), directory, &error);
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let is_yaml = path.as_os_str().as_encoded_bytes().ends_with(b".yaml");
        if is_yaml && path.is_file() {
            files.push(path);
        } else {
            warnings.push(format!("{} is not a *.yaml file, and is ignored", path.display()));
        }
    }
    files.sort();
    Ok(files)
}
