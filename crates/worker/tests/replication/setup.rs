//! A worker on a database and a Redis of its own.

use std::path::Path;

use anyhow::Result;
use key_backup_testkit::{
    Account, TestDatabase, Worker, WorkerConfig,
    services::{Redis, RedisAddress},
    temporary_folder,
};
use tempfile::TempDir;
use tokio_postgres::Client as Sql;

use crate::backup::{Backup, until};

/// Where every count of the tests' users is kept.
pub(crate) const COUNTS_OF_ALICE: &str = "key_backup:example.com:counts:@alice:example.com";

/// A worker, its servers, and a user.
pub(crate) struct Setup {
    // Fields are dropped in this order.
    pub(crate) worker: Worker,
    pub(crate) redis: Redis,
    pub(crate) sql: Sql,
    pub(crate) database: TestDatabase,
    pub(crate) alice: Account,
    _folder: TempDir,
}

/// The binary under test.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_key-backup-worker"))
}

impl Setup {
    pub(crate) async fn start() -> Result<Self> {
        Self::start_with("").await
    }

    /// With further config; the section `redis` may be replaced.
    pub(crate) async fn start_with(yaml: &str) -> Result<Self> {
        let folder = temporary_folder()?;
        let redis = Redis::start(&folder.path().join("redis")).await?;
        Self::on(folder, redis, yaml).await
    }

    /// On a Redis with settings of its own; waits until the worker has subscribed, unless Redis lets nobody in.
    pub(crate) async fn on(folder: TempDir, redis: Redis, yaml: &str) -> Result<Self> {
        let database = TestDatabase::create().await?;
        let alice = database.add_user("alice").await?;
        let worker = config(&database, redis.address()).yaml(yaml).start().await?;
        let sql = database.connect().await?;
        Ok(Self { worker, redis, sql, database, alice, _folder: folder })
    }

    /// Another worker on the same servers.
    pub(crate) async fn another(&self, yaml: &str) -> Result<Worker> {
        config(&self.database, self.redis.address()).yaml(yaml).start().await
    }

    pub(crate) fn backup(&self) -> Backup {
        self.backup_at(&self.worker)
    }

    pub(crate) fn backup_at(&self, worker: &Worker) -> Backup {
        Backup::new(worker.client().as_user(&self.alice.access_token))
    }

    /// Polls by the end of which there was a count, none, one of another etag.
    pub(crate) async fn look_ups(&self) -> Result<[i64; 3]> {
        let mut look_ups = [0; 3];
        for (sum, result) in look_ups.iter_mut().zip(["hit", "miss", "stale"]) {
            let label = format!("result=\"{result}\"");
            *sum = self.worker.metric("key_backup_counts_lookups_total", &[&label]).await?;
        }
        Ok(look_ups)
    }

    pub(crate) async fn subscribed(&self) -> Result<()> {
        subscribed(&self.worker).await
    }

    /// Whether counts of the user stand in Redis.
    pub(crate) fn in_redis(&self) -> Result<bool> {
        Ok(self.redis.address().command(&["EXISTS", COUNTS_OF_ALICE])? == "1")
    }
}

/// Waits until a worker hears Synapse.
pub(crate) async fn subscribed(worker: &Worker) -> Result<()> {
    let subscribed = async || Ok(worker.metric("key_backup_replication_subscribed", &[]).await? > 0);
    until("the worker is subscribed", subscribed).await
}

fn config(database: &TestDatabase, redis: RedisAddress) -> WorkerConfig {
    Worker::configure(binary()).database(database).yaml(&redis.redis_yaml()).metrics()
}
