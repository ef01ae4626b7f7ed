//! A PostgreSQL that is stopped, frozen, read-only, full, or held up.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use key_backup_testkit::{
    Account, TestDatabase, Worker,
    http::Client,
    services::{Durability, Postgres, Redis, Shutdown},
    temporary_folder,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{
    BACK, BEGINS, ENDS, PROMPTLY, VERSION, assert_healthy, begin_restore, binary, eventually, fill, keys,
    new_version, readiness, refused, said, upload, version_body, within,
};

/// A worker on a server of its own.
struct Own {
    // Fields are dropped in their order.
    worker: Worker,
    alice: Account,
    database: TestDatabase,
    server: Postgres,
    _folder: TempDir,
}

impl Own {
    async fn start() -> Self {
        let folder = temporary_folder().unwrap();
        let server = Postgres::start(&folder.path().join("postgres"), Durability::Fast).await.unwrap();
        let database = TestDatabase::create_on(server.address()).await.unwrap();
        let alice = database.add_user("alice").await.unwrap();
        let worker = Worker::configure(binary()).database(&database).start().await.unwrap();
        Self { worker, alice, database, server, _folder: folder }
    }

    fn as_alice(&self) -> Client {
        self.worker.client().as_user(&self.alice.access_token)
    }
}

#[tokio::test]
async fn while_the_server_is_stopped_requests_are_refused_at_once_and_afterwards_all_is_well() {
    let mut own = Own::start().await;
    let client = own.as_alice();
    assert_eq!(new_version(&client).await, "1");
    eventually("readiness", async || readiness(&own.worker).await == 200).await;
    for (outages, mode) in [(1, Shutdown::Fast), (2, Shutdown::Immediate)] {
        // So that there are several connections, which all are dead afterwards.
        join_all((0..8).map(|_| client.get(VERSION))).await;
        own.server.stop(mode).await.unwrap();
        refused(client.get(VERSION)).await;
        refused(client.post(VERSION, &version_body())).await;
        refused(client.put(&keys("1"), &upload(3))).await;
        refused(client.get(&keys("1"))).await;
        join_all((0..20).map(|_| refused(client.get(VERSION)))).await;
        assert_healthy(&own.worker).await;
        within(BACK, "the end of readiness", async || readiness(&own.worker).await == 503).await;
        own.server.start_again().await.unwrap();
        within(BACK, "readiness", async || readiness(&own.worker).await == 200).await;
        for _ in 0..20 {
            assert_eq!(client.get(VERSION).await.unwrap().status, 200);
        }
        assert_eq!((said(&own.worker, BEGINS), said(&own.worker, ENDS)), (outages, outages));
    }
}

#[tokio::test]
async fn a_server_that_hangs_makes_nobody_wait_long_and_nobody_wait_twice() {
    let own = Own::start().await;
    let client = own.as_alice();
    new_version(&client).await;
    own.server.pause().unwrap();
    // Many at once, of one user, who wait for one another.
    let (path, body) = (keys("1"), upload(2));
    join_all((0..12).map(|_| refused(client.put(&path, &body)))).await;
    within(BACK, "the end of readiness", async || readiness(&own.worker).await == 503).await;
    let refusal = tokio::time::timeout(Duration::from_secs(1), refused(client.get(VERSION)));
    refusal.await.expect("a server that is known to be away is not waited for");
    assert_healthy(&own.worker).await;
    own.server.resume().unwrap();
    within(BACK, "service", async || client.get(VERSION).await.unwrap().status == 200).await;
    assert_eq!(client.put(&keys("1"), &upload(2)).await.unwrap().status, 200);
    eventually("readiness", async || readiness(&own.worker).await == 200).await;
    assert_eq!((said(&own.worker, BEGINS), said(&own.worker, ENDS)), (1, 1), "{}", own.worker.log());
}

#[tokio::test]
async fn a_read_only_server_serves_reads_refuses_changes_and_is_noticed_when_it_takes_them_again() {
    let database = TestDatabase::create().await.unwrap();
    let alice = database.add_user("alice").await.unwrap();
    let worker = Worker::configure(binary()).database(&database).start().await.unwrap();
    let client = worker.client().as_user(&alice.access_token);
    new_version(&client).await;
    let administrator = database.connect().await.unwrap();
    let set = |what: &str| format!("ALTER DATABASE {} {what}", database.name());
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
    administrator.batch_execute(&set("SET default_transaction_read_only = on")).await.unwrap();
    administrator.query(others, &[]).await.unwrap();
    eventually("a refusal", async || client.put(&keys("1"), &upload(1)).await.unwrap().status == 503).await;
    refused(client.put(&keys("1"), &upload(1))).await;
    refused(client.post(VERSION, &version_body())).await;
    within(BACK, "the end of readiness", async || readiness(&worker).await == 503).await;
    assert_eq!(client.get(VERSION).await.unwrap().status, 200);
    administrator.batch_execute(&set("RESET default_transaction_read_only")).await.unwrap();
    within(BACK, "readiness", async || readiness(&worker).await == 200).await;
    assert_eq!(client.put(&keys("1"), &upload(1)).await.unwrap().status, 200);
    assert_eq!((said(&worker, BEGINS), said(&worker, ENDS)), (1, 1), "{}", worker.log());
}

#[tokio::test]
async fn a_server_without_a_connection_to_spare_is_an_outage_like_any_other() {
    let database = TestDatabase::create().await.unwrap();
    let alice = database.add_user("alice").await.unwrap();
    let administrator = database.connect().await.unwrap();
    let role = format!("{}_limited", database.name());
    let sql = format!(
        "CREATE ROLE {role} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}; ALTER ROLE {role} CONNECTION LIMIT 0"
    );
    administrator.batch_execute(&sql).await.unwrap();
    let yaml = database.database_yaml().replace("user: postgres", &format!("user: {role}"));
    let worker = Worker::configure(binary()).database(&database).yaml(&yaml).start().await.unwrap();
    let client = worker.client().as_user(&alice.access_token);
    refused(client.get(VERSION)).await;
    // Until a probe has found it, too, it might be over unseen.
    eventually("a probe's failure", async || {
        worker.client().get("/ready").await.unwrap().text() == "the database is not available"
    })
    .await;
    administrator.batch_execute(&format!("ALTER ROLE {role} CONNECTION LIMIT -1")).await.unwrap();
    within(BACK, "readiness", async || readiness(&worker).await == 200).await;
    assert_eq!(new_version(&client).await, "1");
    // A request may be served before the probe that ends the outage.
    within(BACK, "the end in the log", async || said(&worker, ENDS) == 1).await;
    let cause = format!("{BEGINS}db error: FATAL: too many connections for role \"{role}\". Requests");
    assert_eq!((said(&worker, BEGINS), said(&worker, &cause)), (1, 1), "{}", worker.log());
    drop(worker);
    administrator.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
}

#[tokio::test]
async fn a_query_that_waits_too_long_fails_alone() {
    let database = TestDatabase::create().await.unwrap();
    let (alice, bob) = (database.add_user("alice").await.unwrap(), database.add_user("bob").await.unwrap());
    let worker = Worker::configure(binary()).database(&database).start().await.unwrap();
    let client = |user: &Account| worker.client().as_user(&user.access_token);
    new_version(&client(&alice)).await;
    new_version(&client(&bob)).await;
    let holder = database.connect().await.unwrap();
    holder.execute("SELECT pg_advisory_lock(27490, hashtext($1))", &[&alice.user_id]).await.unwrap();
    refused(client(&alice).put(&keys("1"), &upload(1))).await;
    assert_eq!(client(&bob).put(&keys("1"), &upload(1)).await.unwrap().status, 200);
    assert_eq!(readiness(&worker).await, 200);
    drop(holder);
    eventually("Alice's turn", async || {
        client(&alice).put(&keys("1"), &upload(1)).await.unwrap().status == 200
    })
    .await;
    eventually("the end in the log", async || said(&worker, ENDS) == 1).await;
    assert_eq!(said(&worker, &format!("{BEGINS}a query took too long. ")), 1, "{}", worker.log());
    assert_eq!(said(&worker, BEGINS), 1, "{}", worker.log());
}

#[tokio::test]
async fn a_restore_that_is_under_way_when_the_server_goes_away_is_broken_off() {
    const KEYS: usize = 40_000;
    let mut own = Own::start().await;
    let client = own.as_alice();
    new_version(&client).await;
    fill(&own.database, &own.alice, i32::try_from(KEYS).unwrap()).await;
    let mut restore = begin_restore(&own.worker, &own.alice).await;
    // The client takes no more of it for now, so that most pages have not been read when the server goes.
    let mut body = restore.read_part().await.unwrap().expect("a first page");
    own.server.stop(Shutdown::Immediate).await.unwrap();
    let end = loop {
        match restore.read_part().await {
            Ok(Some(part)) => body.extend(part),
            end => break end,
        }
    };
    assert!(end.is_err(), "a body of {} bytes looks whole", body.len());
    assert!(serde_json::from_slice::<Value>(&body).is_err());
    eventually("its line in the log", async || own.worker.log().contains(" 200! ")).await;
    assert_healthy(&own.worker).await;
    own.server.start_again().await.unwrap();
    within(BACK, "service", async || client.get(VERSION).await.unwrap().status == 200).await;
    let whole = client.get(&keys("1")).await.unwrap().json().unwrap();
    assert_eq!(whole["rooms"]["!room"]["sessions"].as_object().unwrap().len(), KEYS);
}

#[tokio::test]
async fn what_holds_up_the_worker_s_own_checks_is_no_reason_to_refuse_requests() {
    let folder = temporary_folder().unwrap();
    let redis = Redis::start(&folder.path().join("redis")).await.unwrap();
    let database = TestDatabase::create().await.unwrap();
    let alice = database.add_user("alice").await.unwrap();
    let yaml = redis.address().redis_yaml();
    let worker = Worker::configure(binary()).database(&database).yaml(&yaml).start().await.unwrap();
    let client = worker.client().as_user(&alice.access_token);
    new_version(&client).await;
    eventually("readiness", async || readiness(&worker).await == 200).await;
    let holder = database.connect().await.unwrap();
    // The watch for logouts reads it.
    let lock = "BEGIN; LOCK TABLE cache_invalidation_stream_by_instance";
    holder.batch_execute(lock).await.unwrap();
    eventually("a suspicion", async || said(&worker, BEGINS) == 1).await;
    // Meanwhile the watch asks again, which takes as long as any query may, and probes are made. No request is answered that would show
    // that the server is there.
    let start = Instant::now();
    while start.elapsed() < PROMPTLY {
        assert_eq!(readiness(&worker).await, 200, "{}", worker.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(client.get(VERSION).await.unwrap().status, 200);
    drop(holder);
    eventually("the end", async || said(&worker, ENDS) == 1).await;
}

#[tokio::test]
async fn a_probe_has_room_where_the_server_has_no_connection_beyond_cp_max() {
    let database = TestDatabase::create().await.unwrap();
    let users = join_all(["alice", "bob"].map(|user| database.add_user(user))).await;
    let administrator = database.connect().await.unwrap();
    let role = format!("{}_limited", database.name());
    let sql = format!(
        "CREATE ROLE {role} LOGIN CONNECTION LIMIT 4; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"
    );
    administrator.batch_execute(&sql).await.unwrap();
    let yaml = database.database_yaml().replace("user: postgres", &format!("user: {role}"));
    let yaml = yaml.replace("cp_max: 10", "cp_max: 4");
    assert!(yaml.contains(&role) && yaml.contains("cp_max: 4"), "{yaml}");
    let worker = Worker::configure(binary()).database(&database).yaml(&yaml).start().await.unwrap();
    let clients: Vec<_> =
        users.iter().map(|user| worker.client().as_user(&user.as_ref().unwrap().access_token)).collect();
    for client in &clients {
        new_version(client).await;
    }
    // All of its connections are open, and idle.
    join_all((0..40).map(|number| clients[number % 2].get(VERSION))).await;
    let holder = database.connect().await.unwrap();
    let alice = &users[0].as_ref().unwrap().user_id;
    holder.execute("SELECT pg_advisory_lock(27490, hashtext($1))", &[alice]).await.unwrap();
    refused(clients[0].put(&keys("1"), &upload(1))).await;
    eventually("readiness", async || readiness(&worker).await == 200).await;
    eventually("service", async || clients[1].get(VERSION).await.unwrap().status == 200).await;
    drop((holder, worker));
    administrator.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
}

#[tokio::test]
async fn queries_that_were_given_up_do_not_pile_up_behind_a_lock() {
    let database = TestDatabase::create().await.unwrap();
    let alice = database.add_user("alice").await.unwrap();
    let yaml = database.database_yaml().replace("cp_max: 10", "cp_max: 1");
    let worker = Worker::configure(binary()).database(&database).yaml(&yaml).start().await.unwrap();
    let client = worker.client().as_user(&alice.access_token);
    new_version(&client).await;
    let (path, body) = (keys("1"), upload(1));
    let waiting = async || database.waiting_for_locks().await.unwrap();
    let holder = database.connect().await.unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE e2e_room_keys IN SHARE MODE").await.unwrap();
    for outages in 1..=3 {
        refused(client.put(&path, &body)).await;
        // The first one may go on, beside the connection that `cp_max` allows. For others there is no room.
        eventually("the end of what was given up", async || waiting().await == 1).await;
        // No probe confirms it, and it ends when nothing has failed for a while.
        eventually("the end of the outage", async || said(&worker, ENDS) == outages).await;
    }
    assert_eq!(waiting().await, 1);
    drop(holder);
    eventually("service", async || client.put(&path, &body).await.unwrap().status == 200).await;
    assert_eq!(waiting().await, 0);
}
