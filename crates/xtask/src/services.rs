//! `cargo xtask services`: the servers that tests use.

use std::path::Path;

use anyhow::Result;
use key_backup_testkit::{
    services::{Durability, Postgres, Redis},
    temporary_folder,
};

use crate::{
    interrupt::interrupted,
    packages::{self, SERVERS},
    step::step,
    synapse,
};

/// A PostgreSQL and a Redis for tests. Dropping them ends them.
#[derive(Debug)]
pub(crate) struct TestServices {
    postgres: Postgres,
    redis: Redis,
}

impl TestServices {
    /// Starts both, with their files in `folder`.
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        let postgres = Postgres::start(&folder.join("postgres"), Durability::Fast).await?;
        let redis = Redis::start(&folder.join("redis")).await?;
        Ok(Self { postgres, redis })
    }

    /// The environment variables by which tests find them.
    pub(crate) fn environment(&self) -> [(&'static str, String); 2] {
        [self.postgres.address().environment(), self.redis.address().environment()]
    }
}

/// Starts them, prints how tests find them and Synapse's programs, and waits for Ctrl-C.
///
/// # Errors
///
/// When one does not start.
pub(crate) async fn run() -> Result<()> {
    packages::ensure_installed(&SERVERS)?;
    let venv = step("Synapse", async { synapse::venv() }).await?;
    let folder = temporary_folder()?;
    let services = step("PostgreSQL and Redis", TestServices::start(folder.path())).await?;
    println!("\nIn another terminal, before `cargo test`:\n");
    for (name, value) in services.environment().into_iter().chain([venv.environment()]) {
        println!("export {name}={value}");
    }
    println!("\nCtrl-C ends them.");
    interrupted().await
}
