//! What the tests of this crate share.

use std::path::Path;

use key_backup_testkit::{Account, TestDatabase, Worker, http::Client};
use serde_json::{Value, json};

/// The path of everything under test.
pub(crate) const ROOM_KEYS: &str = "/_matrix/client/v3/room_keys";

/// A worker on a database of its own, and a user of it.
pub(crate) struct Fixture {
    pub(crate) database: TestDatabase,
    pub(crate) worker: Worker,
    pub(crate) alice: Account,
}

/// The binary under test.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_key-backup-worker"))
}

impl Fixture {
    /// Starts a worker with nothing unusual in its configuration.
    pub(crate) async fn start() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let worker = Worker::configure(binary()).database(&database).start().await.unwrap();
        let alice = database.add_user("alice").await.unwrap();
        Self { database, worker, alice }
    }

    /// A client with Alice's token.
    pub(crate) fn as_alice(&self) -> Client {
        self.worker.client().as_user(&self.alice.access_token)
    }

    /// Makes a version of Alice's backup and says its number.
    pub(crate) async fn new_version(&self) -> String {
        let body = json!({ "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": { "public_key": "k" } });
        let response = self.as_alice().post(&format!("{ROOM_KEYS}/version"), &body).await.unwrap();
        response.json().unwrap()["version"].as_str().unwrap().to_owned()
    }
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
