//! What the tests of this crate share.

use std::{
    panic::Location,
    path::Path,
    time::{Duration, Instant},
};

use key_backup_testkit::{
    Account, TestDatabase, Worker,
    http::{Client, Response},
};
use serde_json::{Value, json};

/// The path of everything under test.
pub(crate) const ROOM_KEYS: &str = "/_matrix/client/v3/room_keys";

/// The path of the versions.
pub(crate) const VERSION: &str = "/_matrix/client/v3/room_keys/version";

/// What clients call the encryption of their backups.
pub(crate) const ALGORITHM: &str = "m.megolm_backup.v1.curve25519-aes-sha2";

/// How long anything may take that happens by itself.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A worker on a database of its own, and a user of it.
pub(crate) struct Fixture {
    // Fields are dropped in their order: the worker ends before its database.
    pub(crate) worker: Worker,
    pub(crate) database: TestDatabase,
    pub(crate) alice: Account,
}

/// The binary under test.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_key-backup-worker"))
}

impl Fixture {
    /// Starts a worker with nothing unusual in its configuration.
    pub(crate) async fn start() -> Self {
        Self::with("{}").await
    }

    /// Starts a worker with these keys in its configuration besides.
    pub(crate) async fn with(yaml: &str) -> Self {
        let database = TestDatabase::create().await.unwrap();
        let worker = Worker::configure(binary()).database(&database).yaml(yaml).start().await.unwrap();
        let alice = database.add_user("alice").await.unwrap();
        Self { worker, database, alice }
    }

    /// A client with Alice's token.
    pub(crate) fn as_alice(&self) -> Client {
        self.worker.client().as_user(&self.alice.access_token)
    }

    /// Makes a version of Alice's backup and says its number.
    pub(crate) async fn new_version(&self) -> String {
        new_version(&self.as_alice()).await
    }
}

/// Makes a version of the backup of the client's user and says its number.
pub(crate) async fn new_version(client: &Client) -> String {
    let response = client.post(VERSION, &version_body()).await.unwrap();
    ok(&response)["version"].as_str().unwrap().to_owned()
}

/// What makes a version.
pub(crate) fn version_body() -> Value {
    json!({ "algorithm": ALGORITHM, "auth_data": { "public_key": "k" } })
}

/// A key as clients upload it.
pub(crate) fn key(first_message_index: i32, forwarded_count: i32, is_verified: bool) -> Value {
    json!({
        "first_message_index": first_message_index,
        "forwarded_count": forwarded_count,
        "is_verified": is_verified,
        "session_data": { "ciphertext": "c", "ephemeral": "e", "mac": format!("{first_message_index}") },
    })
}

/// The path of all keys of a version.
pub(crate) fn keys(version: &str) -> String {
    format!("{ROOM_KEYS}/keys?version={version}")
}

/// The path of the keys of a room, whose id is sent as it is.
pub(crate) fn room_keys(version: &str, room: &str) -> String {
    format!("{ROOM_KEYS}/keys/{room}?version={version}")
}

/// The path of the key of a session, whose ids are sent as they are.
pub(crate) fn session_key(version: &str, room: &str, session: &str) -> String {
    format!("{ROOM_KEYS}/keys/{room}/{session}?version={version}")
}

/// The answer to a successful request as JSON.
#[track_caller]
pub(crate) fn ok(response: &Response) -> Value {
    assert_eq!(response.status, 200, "{}", response.text());
    response.json().unwrap()
}

/// Checks that an answer is a Matrix error, as clients read them.
#[track_caller]
pub(crate) fn assert_error(response: &Response, status: u16, errcode: &str, error: &str) {
    let body = response.text();
    assert_eq!(response.status, status, "{body}");
    assert_eq!(response.header("Content-Type"), Some("application/json"), "{body}");
    let json = response.json().unwrap();
    assert_eq!((json["errcode"].as_str(), json["error"].as_str()), (Some(errcode), Some(error)), "{body}");
}

/// Waits until something is so; it fails after [`SOON`].
#[track_caller]
pub(crate) fn eventually<F: AsyncFnMut() -> bool>(what: &str, mut is_so: F) -> impl Future<Output = ()> {
    let (start, caller) = (Instant::now(), Location::caller());
    async move {
        while !is_so().await {
            assert!(start.elapsed() < SOON, "{caller}: {what} takes more than {SOON:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
