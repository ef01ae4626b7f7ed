//! The programs of the demo.

use std::path::{Path, PathBuf};

use anyhow::Result;
use key_backup_testkit::{
    Worker,
    services::{Durability, Nginx, Postgres, Redis, Synapse, SynapseVenv, Upstreams},
};

use crate::{
    cargo::{cargo, target_folder},
    step::step,
};

/// A homeserver as an operator runs it, with our worker in the place of Synapse's for key backups. Ended in the order of
/// the fields.
#[derive(Debug)]
pub(crate) struct Deployment {
    pub(crate) nginx: Nginx,
    pub(crate) worker: Worker,
    pub(crate) synapse: Synapse,
    pub(crate) redis: Redis,
    pub(crate) postgres: Postgres,
}

impl Deployment {
    /// Starts everything, with its files in `folder`. `yaml` goes to the configuration of our worker.
    pub(crate) async fn start(
        folder: &Path,
        venv: &SynapseVenv,
        binary: PathBuf,
        yaml: &str,
    ) -> Result<Self> {
        let durable = Durability::Durable;
        let postgres = step("PostgreSQL", Postgres::start(&folder.join("postgres"), durable)).await?;
        let redis = step("Redis", Redis::start(&folder.join("redis"))).await?;
        let synapse = step(
            "Synapse: main process and a generic worker",
            Synapse::start(venv, &folder.join("synapse"), postgres.address(), redis.address()),
        )
        .await?;
        let worker = Worker::configure(binary)
            .file(synapse.config())
            .yaml(yaml)
            .folder(&folder.join("key-backup-worker"));
        let worker = step("key-backup worker, with Synapse's homeserver.yaml", worker.start()).await?;
        let upstreams = Upstreams {
            main: synapse.main(),
            generic_worker: synapse.generic_worker(),
            key_backup: worker.address().clone(),
        };
        let nginx = step(
            "nginx: room_keys to the key-backup worker, the rest to Synapse",
            Nginx::start(&folder.join("nginx"), &upstreams),
        )
        .await?;
        Ok(Self { nginx, worker, synapse, redis, postgres })
    }
}

/// Builds the worker as it is shipped, and says where it is.
pub(crate) async fn build() -> Result<PathBuf> {
    cargo(&["build", "--release", "--package", "key-backup-worker"], &[]).await?;
    Ok(target_folder()?.join("release/key-backup-worker"))
}
