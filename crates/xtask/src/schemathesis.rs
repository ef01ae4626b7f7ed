//! Schemathesis, in a virtual environment of its own: it holds `docs/openapi.yaml` against the real worker.

use std::{env, process::Command};

use anyhow::Result;
use key_backup_testkit::temporary_folder;

use crate::{
    cargo::{cargo, target_folder},
    packages::{self, SERVERS},
    process::succeeds,
    python,
    services::TestServices,
};

const VERSION: &str = "4.32.5";

/// What the test reads: where Schemathesis is, and how much it shall do.
const VENV: &str = "KEY_BACKUP_SCHEMATHESIS_VENV";
const EXAMPLES: &str = "KEY_BACKUP_SCHEMATHESIS_EXAMPLES";

/// The environment variable for the test. The virtual environment is the one that it names, or else the one in the target
/// folder, made now if it is not there.
///
/// # Errors
///
/// When there is no Python 3.10 or later, or pip fails.
pub(crate) fn environment() -> Result<(&'static str, String)> {
    if let Ok(named) = env::var(VENV) {
        return Ok((VENV, named));
    }
    let folder = target_folder()?.join(format!("schemathesis-{VERSION}"));
    let found = (VENV, folder.display().to_string());
    if succeeds(Command::new(folder.join("bin/st")).arg("--version")) {
        return Ok(found);
    }
    python::install(&folder, &format!("schemathesis=={VERSION}"))?;
    Ok(found)
}

/// Makes up to so many requests of each operation in each phase.
///
/// # Errors
///
/// When an answer is not as described, or the worker failed.
pub(crate) async fn run(examples: u32) -> Result<()> {
    packages::ensure_installed(&SERVERS)?;
    let folder = temporary_folder()?;
    let services = TestServices::start(folder.path()).await?;
    let mut environment = services.environment().to_vec();
    environment.extend([self::environment()?, (EXAMPLES, examples.to_string())]);
    cargo(&["test", "-p", "key-backup-worker", "--test", "openapi"], &environment).await
}
