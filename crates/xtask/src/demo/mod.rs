//! `cargo xtask demo`: a whole deployment, and a backup made, read and looked at in it.

pub(crate) mod deployment;
mod sample;
mod story;

use std::path::Path;

use anyhow::Result;
use key_backup_testkit::{services::Synapse, temporary_folder};

use self::{deployment::Deployment, story::Story};
use crate::{
    interrupt::interrupted,
    packages::{self, SERVERS},
    step::step,
    synapse,
};

/// Brings all up in a temporary folder, shows it, and stays until Ctrl-C, or ends where `check` is set.
///
/// # Errors
///
/// What went wrong; the folder is kept then, and named.
pub(crate) async fn run(check: bool) -> Result<()> {
    step("system packages", async { packages::ensure_installed(&SERVERS) }).await?;
    let venv = step("Synapse's Python environment", async { synapse::venv() }).await?;
    let binary = step("key-backup worker, release build", deployment::build()).await?;
    let folder = temporary_folder()?;
    let shown = async {
        let deployment = Deployment::start(folder.path(), &venv, binary, "").await?;
        let story = Story::tell(&deployment).await?;
        println!("\nAll was right.");
        if check {
            return Ok(());
        }
        invite(&deployment, &story, folder.path());
        interrupted().await
    };
    let result = shown.await;
    if result.is_err() {
        eprintln!("\nSomething went wrong. Config files and logs are kept in {}/*/", folder.keep().display());
    }
    result
}

/// What a person can try now.
fn invite(deployment: &Deployment, story: &Story, folder: &Path) {
    let homeserver = format!("http://127.0.0.1:{}", deployment.nginx.port());
    let postgres = deployment.postgres.address();
    println!("\nPoint a Matrix client to {homeserver}: user alice, password {}", Synapse::PASSWORD);
    println!("\nOr ask for the backup yourself:\n");
    println!("  curl -H 'Authorization: Bearer {}' \\", story.access_token);
    println!("    {homeserver}/_matrix/client/v3/room_keys/version");
    println!("\nOr look into Synapse's database:\n");
    println!("  psql -h 127.0.0.1 -p {} -U postgres {}", postgres.port, deployment.synapse.database());
    println!("\nConfig files and logs are in {}. Ctrl-C ends it all and removes them.", folder.display());
}
