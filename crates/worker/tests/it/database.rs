//! Outages of the database: answers that clients understand, and recovery without a restart.

use std::time::Instant;

use key_backup_testkit::{
    Account, BreakableProxy, TestDatabase, Worker, WorkerConfig, services::PostgresAddress,
};
use serde_json::json;

use crate::common::{SOON, VERSION, assert_error, binary, eventually, keys, new_version, version_body};

const AWAY: &str = "The database is not available. Try again later.";

/// A database that can be cut off.
struct Breakable {
    proxy: BreakableProxy,
    database: TestDatabase,
    alice: Account,
}

impl Breakable {
    async fn new() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let alice = database.add_user("alice").await.unwrap();
        let proxy = BreakableProxy::start(([127, 0, 0, 1], database.server().port).into()).await.unwrap();
        Self { proxy, database, alice }
    }

    /// A worker that reaches its database only through the proxy.
    fn worker(&self) -> WorkerConfig {
        let server = PostgresAddress { port: self.proxy.address().port(), ..self.database.server().clone() };
        Worker::configure(binary()).database(&self.database).yaml(&server.database_yaml(self.database.name()))
    }
}

#[tokio::test]
async fn a_database_that_is_down_at_the_start_is_503_until_it_is_up() {
    let mut breakable = Breakable::new().await;
    breakable.proxy.cut().await;
    let worker = breakable.worker().start().await.unwrap();
    let client = worker.client().as_user(&breakable.alice.access_token);
    for response in [
        client.get(VERSION).await.unwrap(),
        client.post(VERSION, &version_body()).await.unwrap(),
        client.put(&keys("1"), &json!({ "rooms": {} })).await.unwrap(),
        client.get(&keys("1")).await.unwrap(),
    ] {
        assert_error(&response, 503, "M_UNKNOWN", AWAY);
        assert_eq!(response.header("Access-Control-Allow-Origin"), Some("*"));
    }
    assert_eq!(worker.client().get("/health").await.unwrap().status, 200);
    breakable.proxy.heal().await.unwrap();
    eventually("service", async || client.get(VERSION).await.unwrap().status == 404).await;
    assert_eq!(new_version(&client).await, "1");
}

#[tokio::test]
async fn after_an_outage_it_goes_on_without_a_restart() {
    let mut breakable = Breakable::new().await;
    let worker = breakable.worker().start().await.unwrap();
    let client = worker.client().as_user(&breakable.alice.access_token);
    assert_eq!(new_version(&client).await, "1");
    for _ in 0..3 {
        breakable.proxy.cut().await;
        assert_error(&client.get(VERSION).await.unwrap(), 503, "M_UNKNOWN", AWAY);
        breakable.proxy.heal().await.unwrap();
        eventually("service", async || client.get(VERSION).await.unwrap().status == 200).await;
    }
}

#[tokio::test]
async fn a_database_that_hangs_at_the_start_holds_up_neither_the_start_nor_requests_for_ever() {
    let mut breakable = Breakable::new().await;
    breakable.proxy.stall();
    let worker = breakable.worker().start().await.unwrap();
    let client = worker.client().as_user(&breakable.alice.access_token);
    let start = Instant::now();
    assert_error(&client.get(VERSION).await.unwrap(), 503, "M_UNKNOWN", AWAY);
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    breakable.proxy.heal().await.unwrap();
    eventually("service", async || client.get(VERSION).await.unwrap().status == 404).await;
    assert_eq!(new_version(&client).await, "1");
}

#[tokio::test]
async fn connections_that_the_server_ends_are_replaced() {
    let breakable = Breakable::new().await;
    let worker = breakable.worker().start().await.unwrap();
    let client = worker.client().as_user(&breakable.alice.access_token);
    assert_eq!(new_version(&client).await, "1");
    let administrator = breakable.database.connect().await.unwrap();
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
    assert!(!administrator.query(sql, &[]).await.unwrap().is_empty());
    eventually("service", async || client.get(VERSION).await.unwrap().status == 200).await;
}

#[tokio::test]
async fn a_wrong_database_that_comes_up_later_ends_the_worker_with_a_message() {
    let mut breakable = Breakable::new().await;
    let empty = "DROP SCHEMA public CASCADE; CREATE SCHEMA public";
    breakable.database.connect().await.unwrap().batch_execute(empty).await.unwrap();
    breakable.proxy.cut().await;
    let worker = breakable.worker().start().await.unwrap();
    breakable.proxy.heal().await.unwrap();
    eventually("the message", async || worker.log().contains("key-backup-worker: ")).await;
    let stopped = worker.stop().await.unwrap();
    assert_eq!(stopped.status.code(), Some(1));
    assert!(stopped.log.contains("table e2e_room_keys does not exist"), "{}", stopped.log);
}
