//! What is tortured: workers on one PostgreSQL and one Redis, each behind networks of its own that break on command.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use key_backup_testkit::{
    BreakableProxy, TestDatabase, Worker,
    http::Address,
    services::{Durability, Postgres, PostgresAddress, Redis, RedisAddress},
};
use tokio::{sync::watch, time::sleep};

/// How long anything may take that has to happen by itself.
const SOON: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

/// Fields are dropped in their order.
pub(crate) struct Deployment {
    pub(crate) workers: Vec<Instance>,
    pub(crate) redis: Redis,
    pub(crate) database: TestDatabase,
    pub(crate) postgres: Postgres,
}

/// A worker and its ways to the servers.
pub(crate) struct Instance {
    binary: PathBuf,
    /// `None` while it is down.
    process: Option<Worker>,
    address: watch::Sender<Address>,
    config: String,
    pub(crate) to_postgres: BreakableProxy,
    pub(crate) to_redis: BreakableProxy,
}

impl Deployment {
    /// Starts everything, with its files in `folder`.
    pub(crate) async fn start(folder: &Path, binary: &Path, workers: usize) -> Result<Self> {
        let postgres = Postgres::start(&folder.join("postgres"), Durability::Fast).await?;
        let redis = Redis::start(&folder.join("redis")).await?;
        let database = TestDatabase::create_on(postgres.address()).await?;
        let mut deployment = Self { workers: Vec::new(), redis, database, postgres };
        for _ in 0..workers {
            let worker = deployment.instance(binary).await?;
            deployment.workers.push(worker);
        }
        Ok(deployment)
    }

    async fn instance(&self, binary: &Path) -> Result<Instance> {
        let postgres = self.postgres.address();
        let to_postgres = BreakableProxy::start(loopback(postgres.port)).await?;
        let to_redis = BreakableProxy::start(loopback(self.redis.address().port)).await?;
        let through = PostgresAddress { port: to_postgres.address().port(), ..postgres.clone() };
        let config = [
            "server_name: example.com\nreport_stats: false\nmacaroon_secret_key: macaroon\n".to_owned(),
            through.database_yaml(self.database.name()),
            RedisAddress { port: to_redis.address().port() }.redis_yaml(),
        ];
        let worker = Worker::configure(binary).yaml(&config.concat()).start().await?;
        Ok(Instance {
            binary: binary.to_owned(),
            address: watch::Sender::new(worker.address().clone()),
            process: Some(worker),
            config: config.concat(),
            to_postgres,
            to_redis,
        })
    }

    /// Waits until nothing of what the workers have asked for can happen any more: their connections are cut, what was under way in the
    /// network is lost, and PostgreSQL has ended what it was doing.
    pub(crate) async fn quiesce(&mut self) -> Result<()> {
        for worker in &mut self.workers {
            worker.to_postgres.cut().await;
        }
        let ours = self.database.connect().await?;
        let others = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
        let started = Instant::now();
        while ours.query_one(others, &[]).await?.get::<_, i64>(0) > 0 {
            ensure!(started.elapsed() < SOON, "PostgreSQL does not end what it was doing");
            sleep(POLL).await;
        }
        for worker in &mut self.workers {
            worker.to_postgres.heal().await?;
        }
        Ok(())
    }

    /// Waits until every worker answers a user, and says how long that took.
    pub(crate) async fn serves(&self, access_token: &str) -> Result<Duration> {
        let started = Instant::now();
        for worker in &self.workers {
            let process = worker.process.as_ref().context("a worker is down")?;
            let client = process.client().as_user(access_token);
            loop {
                let answer = client.get("/_matrix/client/v3/room_keys/version").await;
                if answer.as_ref().is_ok_and(|answer| [200, 404].contains(&answer.status)) {
                    break;
                }
                ensure!(started.elapsed() < SOON, "a worker does not come back: {answer:?}");
                sleep(POLL).await;
            }
        }
        Ok(started.elapsed())
    }
}

impl Instance {
    /// Where clients find it, which changes with each start.
    pub(crate) fn address(&self) -> watch::Receiver<Address> {
        self.address.subscribe()
    }

    /// `SIGKILL`.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        let worker = self.process.take().context("the worker is down already")?;
        worker.kill().await.map(drop)
    }

    pub(crate) async fn start_again(&mut self) -> Result<()> {
        let worker = Worker::configure(&self.binary).yaml(&self.config).start().await?;
        self.address.send_replace(worker.address().clone());
        self.process = Some(worker);
        Ok(())
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
