//! `cargo xtask test`: everything that a change must pass.

use std::time::Instant;

use anyhow::Result;
use key_backup_testkit::temporary_folder;

use crate::{
    cargo::cargo,
    packages::{self, SERVERS, in_path},
    schemathesis,
    services::TestServices,
    step::step,
    synapse,
};

/// Runs all steps, those that fail fast first; `arguments` go to `cargo test`.
///
/// # Errors
///
/// The first step that fails.
pub(crate) async fn run(arguments: &[String]) -> Result<()> {
    let start = Instant::now();
    step("format", cargo(&["fmt", "--all", "--check"], &[])).await?;
    step("system packages", async { packages::ensure_installed(&SERVERS) }).await?;
    if in_path("cargo-deny") {
        step("dependencies", cargo(&["deny", "check", "bans", "licenses", "sources"], &[])).await?;
    } else {
        println!("==> dependencies: not checked, cargo-deny is not installed");
    }
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    step("lints", cargo(&clippy, &[])).await?;
    let doc = ["doc", "--workspace", "--no-deps", "--document-private-items"];
    step("documentation", cargo(&doc, &[("RUSTDOCFLAGS", "-D warnings".to_owned())])).await?;
    let venv = step("Synapse", async { synapse::venv() }).await?;
    let schemathesis = step("Schemathesis", async { schemathesis::environment() }).await?;
    let folder = temporary_folder()?;
    let services = step("PostgreSQL and Redis", TestServices::start(folder.path())).await?;
    let mut environment = services.environment().to_vec();
    environment.extend([venv.environment(), schemathesis]);
    let mut command = vec!["test", "--workspace"];
    command.extend(arguments.iter().map(String::as_str));
    step("tests", cargo(&command, &environment)).await?;
    println!("All steps passed in {:.0} s.", start.elapsed().as_secs_f64());
    Ok(())
}
