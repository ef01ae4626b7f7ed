//! A network that loses what is sent to PostgreSQL.

use futures_util::future::join_all;
use key_backup_testkit::{
    Account, BreakableProxy, TestDatabase, Worker, http::Client, services::PostgresAddress,
};

use crate::common::{
    BACK, BEGINS, ENDS, VERSION, assert_healthy, binary, eventually, keys, new_version, readiness, refused,
    said, upload, within,
};

/// A worker that reaches its database only through a proxy.
struct Distant {
    worker: Worker,
    alice: Account,
    _database: TestDatabase,
    proxy: BreakableProxy,
}

impl Distant {
    async fn start() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let alice = database.add_user("alice").await.unwrap();
        let proxy = BreakableProxy::start(([127, 0, 0, 1], database.server().port).into()).await.unwrap();
        let server = PostgresAddress { port: proxy.address().port(), ..database.server().clone() };
        let yaml = server.database_yaml(database.name());
        let worker = Worker::configure(binary()).database(&database).yaml(&yaml).start().await.unwrap();
        Self { worker, alice, _database: database, proxy }
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
    assert_eq!(said(&distant.worker, BEGINS), 1, "{}", distant.worker.log());
}
