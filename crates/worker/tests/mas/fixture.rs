//! What the tests of this crate share.

use std::{path::Path, time::Duration};

use key_backup_testkit::{
    Account, TestDatabase, Worker, WorkerConfig,
    http::{Request, Response},
    temporary_folder,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::service::{Answer, Service};

/// A request that needs nothing but to be let in: Alice has no backup yet.
pub(crate) const VERSION: &str = "/_matrix/client/v3/room_keys/version";

/// What the worker proves itself with.
pub(crate) const SECRET: &str = "mas-s3cret";

/// Longer than any answer may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A worker in front of MAS, and a user with a device.
pub(crate) struct Fixture {
    pub(crate) database: TestDatabase,
    pub(crate) mas: Service,
    pub(crate) worker: Worker,
    pub(crate) alice: Account,
    _folder: TempDir,
}

impl Fixture {
    /// Without Redis, with nothing unusual.
    pub(crate) async fn start() -> Self {
        let mas = Service::start().await;
        let yaml = mas_yaml(&format!("http://127.0.0.1:{}", mas.port()));
        Self::start_with(mas, &[&yaml]).await
    }

    /// With these pieces of configuration.
    pub(crate) async fn start_with(mas: Service, yaml: &[&str]) -> Self {
        Self::configured(mas, |worker| yaml.iter().fold(worker, |worker, yaml| worker.yaml(yaml))).await
    }

    /// With whatever else a test needs.
    pub(crate) async fn configured(
        mas: Service,
        configure: impl FnOnce(WorkerConfig) -> WorkerConfig,
    ) -> Self {
        let database = TestDatabase::create().await.unwrap();
        let alice = database.add_user("alice").await.unwrap();
        let folder = temporary_folder().unwrap();
        let worker = Worker::configure(env!("CARGO_BIN_EXE_key-backup-worker"))
            .folder(folder.path())
            .unix_socket()
            // The tests talk to 127.0.0.1 only.
            .environment("no_proxy", "127.0.0.1")
            .database(&database)
            .yaml(&listener_with_metrics(folder.path()));
        let worker = configure(worker).start().await.unwrap();
        Self { database, mas, worker, alice, _folder: folder }
    }

    /// What MAS says of a good token of Alice's.
    pub(crate) fn good(&self) -> Value {
        let device = &self.alice.device_id;
        let scope = format!("openid urn:matrix:client:api:* urn:matrix:client:device:{device}");
        json!({ "active": true, "scope": scope, "username": "alice", "sub": "01J0", "expires_in": 300 })
    }

    /// The good answer with some fields in the place of its own.
    pub(crate) fn good_but(&self, fields: &Value) -> Value {
        let mut answer = self.good();
        answer.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        answer
    }

    /// MAS calls this token good from now on.
    pub(crate) fn let_in(&self, token: &str) {
        self.mas.answer(token, Answer::Json(self.good()));
    }

    /// Sends a request with this token.
    pub(crate) async fn get(&self, token: &str) -> Response {
        self.worker.client().as_user(token).get(VERSION).await.unwrap()
    }

    /// Sends a request with this token from a client at an address.
    pub(crate) async fn get_from(&self, token: &str, ip: &str) -> Response {
        let request = Request::new("GET", VERSION).bearer(token).header("X-Forwarded-For", ip);
        self.worker.client().send(request.header("User-Agent", "test")).await.unwrap()
    }

    /// Whether the token lets Alice in.
    pub(crate) async fn is_let_in(&self, token: &str) -> bool {
        let response = self.get(token).await;
        match response.status {
            404 => {
                assert_eq!(response.json().unwrap()["errcode"], "M_NOT_FOUND");
                true
            }
            401 => {
                assert_eq!(response.json().unwrap(), not_active());
                false
            }
            status => panic!("{status}: {}", response.text()),
        }
    }

    /// The value of a metric; its labels have to be in the alphabet's order.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let text = self.worker.client().get("/_synapse/metrics").await.unwrap().text();
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }
}

/// What Synapse says of a token that MAS does not vouch for.
pub(crate) fn not_active() -> Value {
    json!({ "errcode": "M_UNKNOWN_TOKEN", "error": "Token is not active", "soft_logout": false })
}

/// The section of the configuration.
pub(crate) fn mas_yaml(endpoint: &str) -> String {
    format!("matrix_authentication_service: {{enabled: true, endpoint: '{endpoint}', secret: {SECRET}}}")
}

/// The socket of the test kit, with metrics beside the key backup.
fn listener_with_metrics(folder: &Path) -> String {
    let path = folder.join("worker.sock");
    let resources = "[{names: [client, metrics]}]";
    format!("worker_listeners: [{{type: http, path: '{}', resources: {resources}}}]", path.display())
}
