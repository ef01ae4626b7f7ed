//! SIGTERM and SIGHUP.

use std::{
    fs,
    time::{Duration, Instant},
};

use key_backup_testkit::{
    Account, TestDatabase, Worker,
    http::{Connection, Request, Response},
    temporary_folder,
};
use nix::sys::signal::Signal;
use tokio::task::JoinHandle;

use crate::common::{Fixture, SOON, VERSION, binary, eventually, key, ok, session_key};

/// Holds up every change of a user, as another worker would that is in the middle of one. Goes on until it is dropped.
struct HeldUp {
    _lock: Box<dyn Send>,
}

impl HeldUp {
    async fn new(database: &TestDatabase, user: &Account) -> Self {
        let client = database.connect().await.unwrap();
        client.execute("SELECT pg_advisory_lock(27490, hashtext($1))", &[&user.user_id]).await.unwrap();
        Self { _lock: Box::new(client) }
    }
}

/// An upload that has arrived at the database, and waits there.
async fn upload_in_flight(fixture: &Fixture) -> JoinHandle<anyhow::Result<Response>> {
    let (client, path) = (fixture.as_alice(), session_key("1", "!r", "s"));
    let upload = tokio::spawn(async move { client.put(&path, &key(0, 0, false)).await });
    let database = fixture.database.connect().await.unwrap();
    eventually("the upload's wait for its user's lock", async || {
        let sql = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = 27490 AND NOT granted
                      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        database.query_opt(sql, &[]).await.unwrap().is_some()
    })
    .await;
    upload
}

#[tokio::test]
async fn sigterm_lets_an_upload_finish_and_takes_no_new_ones() {
    let fixture = Fixture::start().await;
    fixture.new_version().await;
    let held_up = HeldUp::new(&fixture.database, &fixture.alice).await;
    let upload = upload_in_flight(&fixture).await;
    fixture.worker.process().signal(Signal::SIGTERM).unwrap();
    let address = fixture.worker.address();
    eventually("closing of the listener", async || Connection::open(address).await.is_err()).await;
    assert!(!upload.is_finished());
    drop(held_up);
    // A second signal would end it before it is done.
    eventually("the end", async || fixture.worker.log().contains("- stopped")).await;
    let stopped = fixture.worker.stop().await.unwrap();
    assert_eq!(ok(&upload.await.unwrap().unwrap())["count"], 1);
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log);
    let rows = fixture.database.connect().await.unwrap();
    assert_eq!(rows.query("SELECT FROM e2e_room_keys", &[]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_second_sigterm_ends_it_at_once() {
    let fixture = Fixture::start().await;
    fixture.new_version().await;
    let _held_up = HeldUp::new(&fixture.database, &fixture.alice).await;
    let upload = upload_in_flight(&fixture).await;
    fixture.worker.process().signal(Signal::SIGTERM).unwrap();
    eventually("the first signal's effect", async || fixture.worker.log().contains("stopping: ")).await;
    let start = Instant::now();
    let stopped = fixture.worker.stop().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log);
    assert!(upload.await.unwrap().is_err());
}

#[tokio::test]
async fn requests_have_no_more_than_the_grace_to_finish() {
    let fixture = Fixture::with("key_backup_worker: {shutdown_grace: 1s}\n").await;
    fixture.new_version().await;
    let _held_up = HeldUp::new(&fixture.database, &fixture.alice).await;
    let upload = upload_in_flight(&fixture).await;
    let start = Instant::now();
    let stopped = fixture.worker.stop().await.unwrap();
    assert!(start.elapsed() > Duration::from_millis(900) && start.elapsed() < SOON, "{:?}", start.elapsed());
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log);
    assert!(upload.await.unwrap().is_err());
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_end() {
    let fixture = Fixture::start().await;
    let mut idle = Connection::open(fixture.worker.address()).await.unwrap();
    idle.request(&Request::new("GET", "/health")).await.unwrap();
    let mut silent = Connection::open(fixture.worker.address()).await.unwrap();
    let start = Instant::now();
    let stopped = fixture.worker.stop().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log);
    assert!(idle.is_closed_within(SOON).await && silent.is_closed_within(SOON).await);
}

#[tokio::test]
async fn sighup_reopens_a_log_file_that_was_moved_away() {
    let (database, folder) = (TestDatabase::create().await.unwrap(), temporary_folder().unwrap());
    let file = |name: &str| folder.path().join(name);
    let log_config = format!(
        "version: 1\nhandlers: {{f: {{class: logging.FileHandler, filename: \"{}\"}}}}\nroot: {{level: INFO, handlers: [f]}}\n",
        file("worker.log").display()
    );
    fs::write(file("log.yaml"), log_config).unwrap();
    let yaml = format!("worker_log_config: \"{}\"\n", file("log.yaml").display());
    let worker = Worker::configure(binary()).database(&database).yaml(&yaml).start().await.unwrap();
    let request = |number: &str| Request::new("GET", VERSION).header("User-Agent", number);
    let read = |name: &str| fs::read_to_string(file(name)).unwrap_or_default();
    worker.client().send(request("before")).await.unwrap();
    eventually("the first line", async || read("worker.log").contains("\"before\"")).await;
    fs::rename(file("worker.log"), file("worker.log.1")).unwrap();
    worker.client().send(request("moved")).await.unwrap();
    eventually("the line in the moved file", async || read("worker.log.1").contains("\"moved\"")).await;
    worker.process().signal(Signal::SIGHUP).unwrap();
    eventually("the new file", async || file("worker.log").exists()).await;
    worker.client().send(request("after")).await.unwrap();
    eventually("the line in the new file", async || read("worker.log").contains("\"after\"")).await;
    assert!(!read("worker.log.1").contains("\"after\"") && worker.log().is_empty());
}
