//! Whether the log can be written.

use std::{fs::OpenOptions, io, path::Path};

use nix::unistd::{AccessFlags, access};

use super::finding::Finding;
use crate::config::LogOutput;

/// Looks at the file, or at the folder that it would be made in.
pub(super) fn check(output: &LogOutput) -> Finding {
    const CHECK: &str = "log";
    match output {
        LogOutput::Stderr => Finding::ok(CHECK, "goes to standard error"),
        LogOutput::Stdout => Finding::ok(CHECK, "goes to standard output"),
        LogOutput::File(file) => match writable(file) {
            Ok(()) => Finding::ok(CHECK, format!("goes to {}", file.display())),
            Err(error) => {
                let found = format!("cannot write {}: {error}", file.display());
                let advice =
                    "let the worker's user write there, or name another `filename` in `worker_log_config`";
                Finding::problem(CHECK, found, advice)
            }
        },
    }
}

fn writable(file: &Path) -> io::Result<()> {
    match OpenOptions::new().append(true).open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => may_create_in(parent(file)),
        opened => opened.map(drop),
    }
}

/// Whether this process may make files in that folder.
pub(super) fn may_create_in(folder: &Path) -> io::Result<()> {
    Ok(access(folder, AccessFlags::W_OK | AccessFlags::X_OK)?)
}

/// The folder of a file; relative ones are relative to the working directory.
pub(super) fn parent(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
