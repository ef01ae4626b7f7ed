//! The servers under load.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use key_backup_testkit::{
    Worker,
    http::Address,
    services::{SynapseVenv, SynapseWorker},
};
use tokio_postgres::Client;

use super::{
    measured::{Both, Written},
    work::Work,
};
use crate::{demo::deployment::Deployment, traffic::usage::Server};

/// A deployment, and how to watch it.
pub(super) struct Deployed {
    pub(super) deployment: Deployment,
    venv: SynapseVenv,
    /// The worker's own program.
    binary: PathBuf,
    /// Where files of further workers may lie.
    folder: PathBuf,
    /// A connection for all that has to be done between rounds.
    pub(super) client: Client,
    pub(super) database: Server,
    pub(super) redis: Server,
}

/// One more worker of each kind. They end when this is dropped.
pub(super) struct Fresh {
    pub(super) synapse: SynapseWorker,
    pub(super) worker: Worker,
}

impl Fresh {
    pub(super) fn targets(&self) -> Result<Both<Target>> {
        let server = |process: &key_backup_testkit::Process| Server::process(process.pid().as_raw());
        Ok(Both {
            synapse: Target { port: port(self.synapse.address())?, server: server(self.synapse.process()) },
            worker: Target { port: port(self.worker.address())?, server: server(self.worker.process()) },
        })
    }
}

/// A worker under load.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) port: u16,
    pub(super) server: Server,
}

/// A single user of the load asks more often than any real one may.
pub(super) const UNLIMITED: &str = "key_backup_worker: {rate_limit: false}\n";

impl Deployed {
    /// Watches a deployment of this program.
    pub(super) async fn new(
        deployment: Deployment,
        venv: SynapseVenv,
        binary: PathBuf,
        folder: &Path,
    ) -> Result<Self> {
        let client = deployment.postgres.address().connect(deployment.synapse.database()).await?;
        let database = Server::postgres(deployment.postgres.process().pid().as_raw());
        let redis = Server::process(deployment.redis.process().pid().as_raw());
        Ok(Self { deployment, venv, binary, folder: folder.to_owned(), client, database, redis })
    }

    /// The workers that have run from the beginning.
    pub(super) fn targets(&self) -> Result<Both<Target>> {
        let Deployment { synapse, worker, .. } = &self.deployment;
        let pid = synapse.generic_worker_process().pid();
        let synapse =
            Target { port: port(&synapse.generic_worker())?, server: Server::process(pid.as_raw()) };
        let server = Server::process(worker.process().pid().as_raw());
        Ok(Both { synapse, worker: Target { port: port(worker.address())?, server } })
    }

    /// Starts one more of Synapse's workers; the name has to be a new one. `yaml` replaces sections of the configuration.
    pub(super) async fn start_synapse_worker(&self, name: &str, yaml: &str) -> Result<SynapseWorker> {
        self.deployment.synapse.start_worker(&self.venv, name, yaml).await
    }

    /// Starts one more of ours, likewise.
    pub(super) async fn start_worker(&self, name: &str, yaml: &str) -> Result<Worker> {
        let config =
            Worker::configure(&self.binary).file(self.deployment.synapse.config()).yaml(UNLIMITED).yaml(yaml);
        config.folder(&self.folder.join(name)).start().await
    }

    /// Starts one more of each.
    pub(super) async fn start_fresh(&self, name: &str) -> Result<Fresh> {
        let synapse = self.start_synapse_worker(name, "").await?;
        Ok(Fresh { synapse, worker: self.start_worker(name, "").await? })
    }

    pub(super) fn postgres_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.deployment.postgres.address().port).into()
    }

    /// The `database` section for a PostgreSQL on that port.
    pub(super) fn database_yaml(&self, port: u16) -> String {
        let mut address = self.deployment.postgres.address().clone();
        address.port = port;
        address.database_yaml(self.deployment.synapse.database())
    }

    /// Brings the tables into the state in which each round of this work finds them.
    pub(super) async fn before_round(&self, work: &Work) -> Result<()> {
        for sql in &work.before_round {
            self.client.batch_execute(sql).await.context("cannot put the tables in order")?;
        }
        Ok(())
    }

    /// What has been written so far.
    pub(super) async fn written(&self) -> Result<Written> {
        let sql = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint,
                          pg_snapshot_xmax(pg_current_snapshot())::text::bigint";
        let row = self.client.query_one(sql, &[]).await?;
        let [wal, transactions] = [0, 1].map(|column| row.get::<_, i64>(column).unsigned_abs());
        Ok(Written { wal, transactions })
    }
}

fn port(address: &Address) -> Result<u16> {
    match address {
        Address::Tcp(address) => Ok(address.port()),
        Address::Unix(_) => None.context("the benchmark needs TCP"),
    }
}
