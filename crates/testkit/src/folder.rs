//! Temporary folders.

use std::{fs::Permissions, os::unix::fs::PermissionsExt};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// A new folder below the system's temporary folder, removed with what it holds when the value is dropped.
///
/// Other users may enter it: PostgreSQL does not run as root, so its files lie in a folder of root's that it must reach.
///
/// # Errors
///
/// When the folder cannot be made.
pub fn temporary_folder() -> Result<TempDir> {
    tempfile::Builder::new()
        .prefix("key-backup-")
        .permissions(Permissions::from_mode(0o755))
        .tempdir()
        .context("cannot make a temporary folder")
}
