//! The Python environment with the Synapse that tests and the demo run.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use key_backup_testkit::services::SynapseVenv;

use crate::packages::{self, PYTHON};

const VERSION: &str = "1.163.2";

/// The environment that `KEY_BACKUP_SYNAPSE_VENV` names, or else the one in the target folder, made now if it is not there.
///
/// # Errors
///
/// When there is no Python 3.10 or later, or pip fails.
pub(crate) fn venv() -> Result<SynapseVenv> {
    if let Some(venv) = SynapseVenv::named_in_env() {
        ensure!(has_synapse(&venv), "there is no Synapse in {}", venv.environment().1);
        return Ok(venv);
    }
    let folder = target_folder()?.join(format!("synapse-{VERSION}"));
    let venv = SynapseVenv::new(&folder);
    if has_synapse(&venv) {
        return Ok(venv);
    }
    packages::ensure_installed(&PYTHON)?;
    let python = python("import venv, ensurepip")
        .context("Synapse needs Python 3.10 or later with its venv module")?;
    println!("    installing Synapse {VERSION} into {} (once; takes a minute)", folder.display());
    run(Command::new(python).args(["-m", "venv", "--clear"]).arg(&folder))?;
    run(Command::new(venv.python())
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .arg(format!("matrix-synapse[postgres,redis]=={VERSION}")))?;
    Ok(venv)
}

/// Where Cargo builds: this program is `<target>/<profile>/xtask`.
pub(crate) fn target_folder() -> Result<PathBuf> {
    let program = env::current_exe()?;
    Ok(program.ancestors().nth(2).context("xtask is not in a target folder")?.to_owned())
}

/// A Python that is new enough for Synapse and runs these statements without an error.
pub(crate) fn python(statements: &str) -> Option<&'static str> {
    let script = format!("import sys\nassert sys.version_info >= (3, 10)\n{statements}");
    ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10"]
        .into_iter()
        .find(|python| succeeds(Command::new(python).args(["-c", &script])))
}

fn has_synapse(venv: &SynapseVenv) -> bool {
    let check = "import synapse, psycopg2, txredisapi";
    succeeds(Command::new(venv.python()).args(["-c", check]).current_dir(Path::new("/")))
}

/// Whether a program runs and ends well; its output is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Runs a program with its output on our terminal.
///
/// # Errors
///
/// When it cannot be run, or fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}
