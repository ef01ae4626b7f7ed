//! The servers under load, and the users in their database.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use key_backup_testkit::{
    TestDatabase, Worker,
    http::Address,
    services::{Durability, Postgres, Redis},
};

use super::cores::Cores;
use crate::traffic::{
    usage::Server,
    world::{self, Kind, ROOM},
};

/// Users who ask and upload, with 200 keys each. So many that nobody meets the bounds of a single user.
pub(super) const BUSY_USERS: usize = 1000;

/// Users who are slow, and the keys of each: megabytes, of which the kernel's buffers hold little.
pub(super) const SLOW_USERS: usize = 64;
const SLOW_KEYS: usize = 4000;

/// Keys that an honest slow line restores, and uploads: more than half a minute of 20 KB/s, twice as long as `slow_client_timeout`.
pub(super) const LINE_KEYS: usize = 800;

/// A worker as it is shipped, with the limits that it has by default, on a PostgreSQL and a Redis of its own. Ended in the order of the
/// fields.
pub(super) struct Servers {
    pub(super) worker: Worker,
    _redis: Redis,
    _database: TestDatabase,
    _postgres: Postgres,
    pub(super) port: u16,
}

impl Servers {
    /// Starts all of them on their core, with their files in `folder`, and makes the users.
    pub(super) async fn start(folder: &Path, binary: PathBuf, cores: Cores) -> Result<Self> {
        cores.start_servers()?;
        let postgres = Postgres::start(&folder.join("postgres"), Durability::Durable).await?;
        let redis = Redis::start(&folder.join("redis")).await?;
        let database = TestDatabase::create_on(postgres.address()).await?;
        add_users(&database).await?;
        let worker = Worker::configure(binary).database(&database).yaml(&redis.address().redis_yaml());
        let worker = worker.metrics().folder(&folder.join("worker")).start().await?;
        cores.load()?;
        let Address::Tcp(address) = worker.address() else { bail!("the load needs TCP") };
        let port = address.port();
        Ok(Self { worker, _redis: redis, _database: database, _postgres: postgres, port })
    }

    /// The process of the worker.
    pub(super) fn process(&self) -> Server {
        Server::process(self.worker.process().pid().as_raw())
    }
}

async fn add_users(database: &TestDatabase) -> Result<()> {
    let client = database.connect().await?;
    world::prepare(&client).await?;
    let room = format!("n / {ROOM}");
    // The last one sends over a slow line.
    world::add_users(&client, Kind::Uploader, 0..BUSY_USERS + 1, 200, &room).await?;
    world::add_users(&client, Kind::Slow, 0..SLOW_USERS, SLOW_KEYS, &room).await?;
    world::add_users(&client, Kind::Reader, LINE_KEYS..LINE_KEYS + 1, LINE_KEYS, &room).await?;
    world::settle(&client).await
}
