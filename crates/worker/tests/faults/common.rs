//! What the tests of faults share.

use std::{
    future::Future,
    net::SocketAddr,
    panic::Location,
    path::Path,
    time::{Duration, Instant},
};

use key_backup_testkit::{
    Account, TestDatabase, Worker,
    http::{Address, Client, Connection, Request, Response},
};
use serde_json::{Value, json};

/// The path of the versions.
pub(crate) const VERSION: &str = "/_matrix/client/v3/room_keys/version";

/// How long anything may take that happens by itself.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Within that time every request has an answer, whatever the database does.
pub(crate) const PROMPTLY: Duration = Duration::from_secs(5);

/// Within that time after the database everything works again.
pub(crate) const BACK: Duration = Duration::from_secs(2);

/// What the log says when an outage begins, and when it has ended.
pub(crate) const BEGINS: &str = "PostgreSQL is not available: ";
pub(crate) const ENDS: &str = "PostgreSQL is available again ";

/// The binary under test.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_key-backup-worker"))
}

/// What makes a version.
pub(crate) fn version_body() -> Value {
    json!({ "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": { "public_key": "k" } })
}

/// Makes a version of the backup of the client's user and says its number.
pub(crate) async fn new_version(client: &Client) -> String {
    let response = client.post(VERSION, &version_body()).await.unwrap();
    assert_eq!(response.status, 200, "{}", response.text());
    response.json().unwrap()["version"].as_str().unwrap().to_owned()
}

/// The path of the keys of a version.
pub(crate) fn keys(version: &str) -> String {
    format!("/_matrix/client/v3/room_keys/keys?version={version}")
}

/// An upload of some keys.
pub(crate) fn upload(keys: usize) -> Value {
    let sessions: serde_json::Map<String, Value> = (0..keys)
        .map(|number| {
            let key = json!({ "first_message_index": 0, "forwarded_count": 0, "is_verified": false, "session_data": { "ciphertext": "c" } });
            (format!("session{number}"), key)
        })
        .collect();
    json!({ "rooms": { "!room:example.com": { "sessions": sessions } } })
}

/// Checks that a request is refused with a 503 in time, in words that clients understand.
#[track_caller]
pub(crate) fn refused(request: impl Future<Output = anyhow::Result<Response>>) -> impl Future<Output = ()> {
    let (caller, status) = (Location::caller(), answered(request));
    async move { assert_eq!(status.await, 503, "{caller}") }
}

/// Checks that a request is answered in time: with 200, or with a 503 in words that clients understand. Says with which.
#[track_caller]
pub(crate) fn answered(request: impl Future<Output = anyhow::Result<Response>>) -> impl Future<Output = u16> {
    let caller = Location::caller();
    async move {
        let start = Instant::now();
        let response = request.await.unwrap();
        let (took, text) = (start.elapsed(), response.text());
        assert!(took < PROMPTLY, "{caller}: {took:?}");
        if response.status == 200 {
            return 200;
        }
        assert_eq!(response.status, 503, "{caller}: {text}");
        assert_eq!(response.header("Content-Type"), Some("application/json"), "{caller}");
        assert_eq!(response.json().unwrap()["errcode"], "M_UNKNOWN", "{caller}: {text}");
        let pause: u64 = response.header("Retry-After").unwrap_or_default().parse().unwrap();
        assert!((1..=10).contains(&pause), "{caller}: {pause}");
        503
    }
}

/// Begins to restore version 1 of a user, and reads no more of it than its head.
pub(crate) async fn begin_restore(worker: &Worker, user: &Account) -> Connection {
    let mut connection = Connection::open(worker.address()).await.unwrap();
    connection.send(&Request::new("GET", &keys("1")).bearer(&user.access_token)).await.unwrap();
    assert_eq!(connection.read_head().await.unwrap().status, 200);
    connection
}

/// The status of `/ready`.
pub(crate) async fn readiness(worker: &Worker) -> u16 {
    worker.client().get("/ready").await.unwrap().status
}

/// Checks that `/health` is well.
pub(crate) async fn assert_healthy(worker: &Worker) {
    assert_eq!(worker.client().get("/health").await.unwrap().status, 200);
}

/// How often the log says something.
pub(crate) fn said(worker: &Worker, what: &str) -> usize {
    worker.log().matches(what).count()
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn eventually<F: AsyncFnMut() -> bool>(what: &str, is_so: F) -> impl Future<Output = ()> {
    within(SOON, what, is_so)
}

/// Waits until something is so; it fails after that time.
#[track_caller]
pub(crate) fn within<F: AsyncFnMut() -> bool>(
    limit: Duration,
    what: &str,
    mut is_so: F,
) -> impl Future<Output = ()> {
    let (start, caller) = (Instant::now(), Location::caller());
    async move {
        while !is_so().await {
            assert!(start.elapsed() < limit, "{caller}: {what} takes more than {limit:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Writes that many keys of about a kilobyte into version 1 of a user's backup, by SQL.
pub(crate) async fn fill(database: &TestDatabase, user: &Account, keys: i32) {
    let sql = r#"
        INSERT INTO e2e_room_keys
            (user_id, version, room_id, session_id, first_message_index, forwarded_count, is_verified, session_data)
        SELECT $1, 1, '!room', 'session' || n, n, 0, false, '{"mac":"' || repeat('x', 900) || '"}'
          FROM generate_series(1, $2) n"#;
    database.connect().await.unwrap().execute(sql, &[&user.user_id, &keys]).await.unwrap();
}

/// Where a worker listens on TCP.
pub(crate) fn tcp(worker: &Worker) -> SocketAddr {
    match worker.address() {
        Address::Tcp(address) => *address,
        Address::Unix(path) => panic!("{} is no TCP address", path.display()),
    }
}
