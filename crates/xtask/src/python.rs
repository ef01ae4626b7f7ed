//! Virtual environments of Python, with programs that tests and the demo need.

use std::{path::Path, process::Command};

use anyhow::{Context, Result};

use crate::{
    packages::{self, PYTHON},
    process::{run, succeeds},
};

/// Makes a virtual environment in `folder`, anew if there is one, with what pip calls `requirement` in it.
///
/// # Errors
///
/// When there is no Python 3.10 or later, or pip fails.
pub(crate) fn install(folder: &Path, requirement: &str) -> Result<()> {
    packages::ensure_installed(&PYTHON)?;
    let python = python("import venv, ensurepip")
        .with_context(|| format!("{requirement} needs Python 3.10 or later with its venv module"))?;
    println!("    installing {requirement} into {} (once; takes a minute)", folder.display());
    run(Command::new(python).args(["-m", "venv", "--clear"]).arg(folder))?;
    run(Command::new(folder.join("bin/python")).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        requirement,
    ]))
}

/// A Python that is new enough for Synapse and runs these statements without an error.
pub(crate) fn python(statements: &str) -> Option<&'static str> {
    let script = format!("import sys\nassert sys.version_info >= (3, 10)\n{statements}");
    ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10"]
        .into_iter()
        .find(|python| succeeds(Command::new(python).args(["-c", &script])))
}
