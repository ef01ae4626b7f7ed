//! A network that loses what is sent to PostgreSQL, or takes long for it.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use key_backup_testkit::{
    Account, BreakableProxy, TestDatabase, Worker, http::Client, services::PostgresAddress,
};

use crate::common::{
    BACK, BEGINS, ENDS, VERSION, answered, assert_healthy, binary, eventually, keys, new_version, readiness,
    refused, said, upload, within,
};

/// A worker that reaches its database only through a proxy.
struct Distant {
    worker: Worker,
    alice: Account,
    database: TestDatabase,
    proxy: BreakableProxy,
}

impl Distant {
    async fn start() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let alice = database.add_user("alice").await.unwrap();
        let proxy = BreakableProxy::start(([127, 0, 0, 1], database.server().port).into()).await.unwrap();
        let server = PostgresAddress { port: proxy.address().port(), ..database.server().clone() };
        let yaml = server.database_yaml(database.name());
        let worker =
            Worker::configure(binary()).database(&database).yaml(&yaml).metrics().start().await.unwrap();
        Self { worker, alice, database, proxy }
    }

    fn as_alice(&self) -> Client {
        self.worker.client().as_user(&self.alice.access_token)
    }
}

#[tokio::test]
async fn packets_that_vanish_are_noticed_and_service_is_back_with_them() {
    let mut distant = Distant::start().await;
    let client = distant.as_alice();
    new_version(&client).await;
    distant.proxy.stall();
    let requests = (0..12).map(|number| {
        let client = client.clone();
        async move {
            if number % 2 == 0 {
                refused(client.get(VERSION)).await;
            } else {
                refused(client.put(&keys("1"), &upload(1))).await;
            }
        }
    });
    join_all(requests).await;
    within(BACK, "the end of readiness", async || readiness(&distant.worker).await == 503).await;
    assert_healthy(&distant.worker).await;
    distant.proxy.heal().await.unwrap();
    within(BACK, "service", async || client.get(VERSION).await.unwrap().status == 200).await;
    eventually("readiness", async || readiness(&distant.worker).await == 200).await;
    let log = distant.worker.log();
    assert_eq!((said(&distant.worker, BEGINS), said(&distant.worker, ENDS)), (1, 1), "{log}");
}

#[tokio::test]
async fn connections_that_die_without_a_sign_are_not_handed_out_one_after_another() {
    let mut distant = Distant::start().await;
    let client = distant.as_alice();
    new_version(&client).await;
    join_all((0..32).map(|_| client.get(VERSION))).await;
    distant.proxy.abandon();
    // Only who finds the first dead connection has to wait for it.
    refused(client.get(VERSION)).await;
    eventually("service", async || client.get(VERSION).await.unwrap().status == 200).await;
    for _ in 0..20 {
        assert_eq!(client.get(VERSION).await.unwrap().status, 200);
    }
    eventually("the end in the log", async || said(&distant.worker, ENDS) == 1).await;
    assert_eq!(said(&distant.worker, BEGINS), 1, "{}", distant.worker.log());
}

#[tokio::test]
async fn a_slow_server_makes_everybody_slow_and_nobody_fail() {
    let distant = Distant::start().await;
    let client = distant.as_alice();
    new_version(&client).await;
    let delay = Duration::from_millis(150);
    distant.proxy.slow(delay);
    let start = Instant::now();
    for _ in 0..3 {
        assert_eq!(client.put(&keys("1"), &upload(1)).await.unwrap().status, 200);
        assert_eq!(client.get(&keys("1")).await.unwrap().status, 200);
    }
    assert!(start.elapsed() > 6 * 2 * delay);
    assert_eq!(readiness(&distant.worker).await, 200);
    assert_eq!(said(&distant.worker, BEGINS), 0, "{}", distant.worker.log());
}

#[tokio::test]
async fn a_server_that_is_too_slow_for_all_that_is_asked_holds_nobody_up_for_long() {
    let mut distant = Distant::start().await;
    let mut clients = Vec::new();
    for number in 0..20 {
        let user = distant.database.add_user(&format!("user{number}")).await.unwrap();
        clients.push(distant.worker.client().as_user(&user.access_token));
        new_version(&clients[number]).await;
    }
    distant.proxy.slow(Duration::from_millis(250));
    let requests = (0..400).map(|number| {
        let client = clients[number % clients.len()].clone();
        async move {
            match number % 4 {
                0 => answered(client.get(VERSION)).await,
                1 => answered(client.put(&keys("1"), &upload(1))).await,
                // These wait for one another, too.
                _ => answered(client.get(&keys("1"))).await,
            }
        }
    });
    let statuses = join_all(requests).await;
    assert!(statuses.contains(&503), "there has to be too much to do: {statuses:?}");
    let busy = distant.worker.metric("key_backup_storage_errors_total", &["kind=\"busy\""]).await.unwrap();
    assert!(busy > 0, "others have to be waited for in vain");
    // To be too slow for so much is no outage: all connections would be thrown away in the middle of it.
    assert_eq!(said(&distant.worker, BEGINS), 0, "{}", distant.worker.log());
    assert_healthy(&distant.worker).await;
    distant.proxy.heal().await.unwrap();
    for client in &clients {
        within(BACK, "service", async || client.get(VERSION).await.unwrap().status == 200).await;
    }
}
