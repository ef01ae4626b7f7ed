//! The Python environment with the Synapse that tests and the demo run.

use std::{path::Path, process::Command};

use anyhow::{Result, ensure};
use key_backup_testkit::services::SynapseVenv;

use crate::{cargo::target_folder, process::succeeds, python};

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
    python::install(&folder, &format!("matrix-synapse[postgres,redis]=={VERSION}"))?;
    Ok(venv)
}

fn has_synapse(venv: &SynapseVenv) -> bool {
    let check = "import synapse, psycopg2, txredisapi";
    succeeds(Command::new(venv.python()).args(["-c", check]).current_dir(Path::new("/")))
}
