//! The one message that a wrong configuration ends with.

use std::{io, path::Path};

/// A configuration that cannot be used.
///
/// `Display` is one line for the operator: the file, line and key (or the environment variable) that is
/// wrong, and what was expected. It never holds a value of the configuration, which might be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct ConfigError {
    place: String,
    problem: String,
}

impl ConfigError {
    /// `problem` must be made of our own words and names of keys, never of values.
    pub(super) fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: place.into(), problem: problem.into() }
    }

    /// A file that cannot be read, as the system puts it.
    pub(super) fn unreadable(place: impl Into<String>, file: &Path, error: &io::Error) -> Self {
        Self::new(place, format!("cannot read {}: {}", file.display(), error.kind()))
    }
}
