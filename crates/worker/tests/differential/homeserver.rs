//! Synapse with a generic worker, and our worker on the same database.

use std::{
    path::Path,
    sync::atomic::{AtomicI64, Ordering},
};

use anyhow::{Result, ensure};
use key_backup_testkit::{
    Account, Worker,
    http::{Address, Client, Request},
    services::{Postgres, PostgresAddress, Redis, Synapse, SynapseVenv},
    temporary_folder,
};
use serde_json::json;
use tempfile::TempDir;

/// Who answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    /// Synapse's generic worker.
    Synapse,
    /// The worker under test.
    Worker,
}

/// All that the tests talk to.
pub(crate) struct Homeserver {
    administrator: Account,
    postgres: PostgresAddress,
    // Fields are dropped in this order.
    worker: Worker,
    synapse: Synapse,
    _redis: Redis,
    _folder: TempDir,
}

impl Homeserver {
    /// Starts everything. Redis is one of our own: two homeservers of one name on one Redis hear each other.
    pub(crate) async fn start() -> Result<Self> {
        let folder = temporary_folder()?;
        let redis = Redis::start(&folder.path().join("redis")).await?;
        let postgres = Postgres::from_env()?;
        let venv = SynapseVenv::from_env()?;
        let synapse =
            Synapse::start(&venv, &folder.path().join("synapse"), &postgres, redis.address()).await?;
        let worker = Worker::configure(Path::new(env!("CARGO_BIN_EXE_key-backup-worker")))
            .file(synapse.config())
            .start()
            .await?;
        let administrator = synapse.register_administrator("root").await?;
        Ok(Self { administrator, postgres, worker, synapse, _redis: redis, _folder: folder })
    }

    /// Where a server listens.
    pub(crate) fn address(&self, server: Server) -> Address {
        match server {
            Server::Synapse => self.synapse.generic_worker(),
            Server::Worker => self.worker.address().clone(),
        }
    }

    /// Where Synapse's main process listens.
    pub(crate) fn main(&self) -> Address {
        self.synapse.main()
    }

    /// The token of an administrator.
    pub(crate) fn administrator_token(&self) -> &str {
        &self.administrator.access_token
    }

    /// A user registered by Synapse's administration API without a password, whose hash would take longer than all of a
    /// sequence; so the login has to be put into the table by hand.
    pub(crate) async fn fresh_user(&self) -> Result<Account> {
        static NUMBER: AtomicI64 = AtomicI64::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let account = Account {
            user_id: format!("@user{number}:{}", key_backup_testkit::SERVER_NAME),
            device_id: format!("DEVICE{number}"),
            access_token: format!("syt_fresh_{number}"),
        };
        let target = format!("/_synapse/admin/v2/users/{}", account.user_id);
        let request = Request::new("PUT", &target).json(&json!({}));
        let answer = Client::new(self.main()).as_user(self.administrator_token()).send(request).await?;
        ensure!(answer.status == 201, "Synapse does not register {}: {}", account.user_id, answer.text());
        // Far above the ids that Synapse gives out itself.
        let id = 1_000_000_000 + number;
        self.sql(&format!(
            "INSERT INTO devices (user_id, device_id) VALUES ('{0}', '{1}');
             INSERT INTO access_tokens (id, user_id, device_id, token, used) VALUES ({id}, '{0}', '{1}', '{2}', false)",
            account.user_id, account.device_id, account.access_token
        ))
        .await?;
        Ok(account)
    }

    /// Does something to Synapse's tables.
    pub(crate) async fn sql(&self, statements: &str) -> Result<()> {
        Ok(self.postgres.connect(self.synapse.database()).await?.batch_execute(statements).await?)
    }
}
