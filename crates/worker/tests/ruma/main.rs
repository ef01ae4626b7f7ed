//! The API as the Rust SDK of Matrix sees it: requests built, and answers parsed, by ruma.
//!
//! ruma is strict: a field that is missing or has the wrong type is an error here, as it is in clients.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod client;
mod errors;
mod keys;
mod versions;

use key_backup_testkit::{TestDatabase, Worker};
use ruma_client_api::backup::{
    BackupAlgorithm, EncryptedSessionDataInit, KeyBackupData, KeyBackupDataInit,
    MegolmBackupV1Curve25519AesSha2AuthData, create_backup_version,
};
use ruma_common::{
    OwnedRoomId,
    serde::{Base64, Raw},
};

use self::client::Client;

/// A worker with one user.
struct Fixture {
    _database: TestDatabase,
    _worker: Worker,
    alice: Client,
}

impl Fixture {
    async fn start() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let binary = env!("CARGO_BIN_EXE_key-backup-worker");
        let worker = Worker::configure(binary).database(&database).start().await.unwrap();
        let account = database.add_user("alice").await.unwrap();
        let alice = Client::new(worker.address().clone(), account.access_token);
        Self { _database: database, _worker: worker, alice }
    }

    /// Makes a version and says its number.
    async fn new_version(&self) -> String {
        let request = create_backup_version::v3::Request::new(algorithm(b"public key"));
        self.alice.send(request).await.unwrap().version
    }
}

/// The one algorithm of the specification.
fn algorithm(public_key: &[u8]) -> Raw<BackupAlgorithm> {
    let auth_data = MegolmBackupV1Curve25519AesSha2AuthData::new(Base64::new(public_key.to_vec()));
    Raw::new(&auth_data.into()).unwrap()
}

/// A key for a session.
fn key(first_message_index: u32) -> Raw<KeyBackupData> {
    let base64 = |text: &[u8]| Base64::new(text.to_vec());
    let session_data = EncryptedSessionDataInit {
        ephemeral: base64(b"ephemeral"),
        ciphertext: base64(b"ciphertext"),
        mac: base64(b"mac"),
    };
    let key = KeyBackupDataInit {
        first_message_index: first_message_index.into(),
        forwarded_count: 1u32.into(),
        is_verified: false,
        session_data: session_data.into(),
    };
    Raw::new(&KeyBackupData::from(key)).unwrap()
}

/// The index of a key that came back, all of whose fields have been read.
fn index_of(key: &Raw<KeyBackupData>) -> u64 {
    let key = key.deserialize().unwrap();
    assert_eq!(key.session_data.ciphertext.as_bytes(), b"ciphertext");
    key.first_message_index.into()
}

fn room(name: &str) -> OwnedRoomId {
    name.try_into().unwrap()
}
