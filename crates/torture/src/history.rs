//! The history of a user in a round, as it is kept in a file.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use crate::{Backup, call::Call};

/// Writes down what there was before the first call, and the calls, as JSON.
pub(crate) fn write(file: &Path, before: &Backup, calls: &[Call]) -> Result<()> {
    let history = serde_json::to_vec(&(before, calls))?;
    fs::write(file, history).with_context(|| format!("cannot write {}", file.display()))
}

/// Reads what a run has written down of a history that it found impossible: what there was before the first call, and the calls.
///
/// # Errors
///
/// When the file cannot be read, or is none of those.
pub fn read(file: &Path) -> Result<(Backup, Vec<Call>)> {
    let history = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_slice(&history).with_context(|| format!("{} is no history", file.display()))
}
