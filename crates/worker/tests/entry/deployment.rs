//! A Synapse with guests, bridges, refreshable tokens and account validity, and this worker beside it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use key_backup_testkit::{
    Account, Worker,
    http::{Client, Response},
    services::{Durability, Postgres, Redis, Synapse, SynapseVenv},
    temporary_folder,
};
use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};
use tempfile::TempDir;

const PATH: &str = "/_matrix/client/v3/room_keys/version";

/// Everything that runs, ended in the order of the fields.
pub(crate) struct Deployment {
    worker: Worker,
    pub(crate) synapse: Synapse,
    venv: SynapseVenv,
    _redis: Redis,
    postgres: Postgres,
    folder: TempDir,
}

impl Deployment {
    pub(crate) async fn start() -> Self {
        let folder = temporary_folder().unwrap();
        let path = folder.path();
        let postgres = Postgres::start(&path.join("postgres"), Durability::Fast).await.unwrap();
        let redis = Redis::start(&path.join("redis")).await.unwrap();
        let venv = SynapseVenv::from_env().unwrap();
        let files = [
            registration(path, "bridge", "bridge_as_token", "@bridge_.*:example\\.com", ""),
            registration(path, "python", "python_as_token", "(?i)@(?!bridge_)[a-z]+:EXAMPLE\\.com\\Z", ""),
            registration(
                path,
                "here",
                "here_as_token",
                "@here",
                "ip_range_whitelist: ['127.0.0.0/8', '10.1.2.3']\n",
            ),
            registration(path, "away", "away_as_token", "@away", "ip_range_whitelist: ['10.0.0.0/8']\n"),
            registration(path, "late", "another_as_token", "@late", ""),
        ];
        let yaml = format!(
            "app_service_config_files: {files:?}
allow_guest_access: true
refreshable_access_token_lifetime: 2s
account_validity: {{enabled: true, period: 6w, renew_at: 1w}}
email: {{smtp_host: 127.0.0.1, smtp_port: 9, notif_from: 'x <x@example.com>'}}
public_baseurl: http://127.0.0.1/
track_puppeted_user_ips: true
"
        );
        let home = path.join("synapse");
        let synapse =
            Synapse::start_with(&venv, &home, postgres.address(), redis.address(), &yaml).await.unwrap();
        let binary = Path::new(env!("CARGO_BIN_EXE_key-backup-worker"));
        let worker = Worker::configure(binary).file(synapse.config()).start().await.unwrap();
        Self { worker, synapse, venv, _redis: redis, postgres, folder }
    }

    pub(crate) fn python(&self) -> PathBuf {
        self.venv.python()
    }

    /// The same visit to Synapse's worker and to ours.
    pub(crate) async fn both(&self, token: &str, query: &str) -> (Response, Response) {
        let synapse = Client::new(self.synapse.generic_worker()).as_user(token);
        (synapse.get(&format!("{PATH}{query}")).await.unwrap(), self.ours(token, query).await)
    }

    pub(crate) async fn ours(&self, token: &str, query: &str) -> Response {
        self.worker.client().as_user(token).get(&format!("{PATH}{query}")).await.unwrap()
    }

    fn main(&self) -> Client {
        Client::new(self.synapse.main())
    }

    pub(crate) async fn admin_put(&self, admin: &Account, path: &str, body: &Value) {
        let answer = self.main().as_user(&admin.access_token).put(path, body).await.unwrap();
        assert!(answer.status < 300, "{path}: {}", answer.text());
    }

    async fn post(&self, token: Option<&str>, path: &str, body: &Value) -> Value {
        let client = self.main();
        let client = if let Some(token) = token { client.as_user(token) } else { client };
        let answer = client.post(path, body).await.unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json().unwrap()
    }

    pub(crate) async fn expire_account(&self, admin: &Account, user: &str) {
        let body = json!({ "user_id": user, "expiration_ts": 1000 });
        self.post(Some(&admin.access_token), "/_synapse/admin/v1/account_validity/validity", &body).await;
    }

    pub(crate) async fn log_out(&self, account: &Account) {
        self.post(Some(&account.access_token), "/_matrix/client/v3/logout", &json!({})).await;
    }

    pub(crate) async fn puppet_token(&self, admin: &Account, user: &str) -> String {
        let path = format!("/_synapse/admin/v1/users/{user}/login");
        let answer = self.post(Some(&admin.access_token), &path, &json!({})).await;
        answer["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn login(&self, name: &str, refresh_token: bool) -> Value {
        let body = json!({
            "type": "m.login.password",
            "identifier": { "type": "m.id.user", "user": name },
            "password": Synapse::PASSWORD,
            "refresh_token": refresh_token,
        });
        self.post(None, "/_matrix/client/v3/login", &body).await
    }

    pub(crate) async fn refresh(&self, token: &Value) -> Response {
        self.main().post("/_matrix/client/v3/refresh", &json!({ "refresh_token": token })).await.unwrap()
    }

    pub(crate) async fn register_guest(&self) -> Value {
        self.post(None, "/_matrix/client/v3/register?kind=guest", &json!({})).await
    }

    pub(crate) async fn used(&self, token: &str) -> Option<bool> {
        let database = self.postgres.address().connect(self.synapse.database()).await.unwrap();
        let row =
            database.query_one("SELECT used FROM access_tokens WHERE token = $1", &[&token]).await.unwrap();
        row.get(0)
    }

    pub(crate) async fn add_device(&self, user: &str, device: &str) {
        let database = self.postgres.address().connect(self.synapse.database()).await.unwrap();
        let insert = "INSERT INTO devices (user_id, device_id, hidden) VALUES ($1, $2, false)";
        database.execute(insert, &[&user, &device]).await.unwrap();
    }

    /// Waits until Synapse has written down that the user used the token; it does so every few seconds.
    pub(crate) async fn until_seen(&self, user: &str, token: &str) {
        let database = self.postgres.address().connect(self.synapse.database()).await.unwrap();
        let select = "SELECT 1 FROM user_ips WHERE user_id = $1 AND access_token = $2";
        for _ in 0..150 {
            if !database.query(select, &[&user, &token]).await.unwrap().is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("Synapse has not noted that {user} was seen\n{}", self.worker.log());
    }

    /// Puts another token into the registration of `id`.
    pub(crate) fn add_appservice(&self, id: &str, token: &str) {
        registration(self.folder.path(), id, token, "@late", "");
    }

    pub(crate) fn break_appservice(&self, id: &str) {
        fs::write(self.folder.path().join(format!("{id}.yaml")), "as_token: [").unwrap();
    }

    /// Sends SIGHUP and waits until the worker says that it has reloaded.
    pub(crate) async fn hang_up(&self) {
        let reloads = || self.worker.log().matches("reloaded certificates").count();
        let before = reloads();
        kill(self.worker.process().pid(), Signal::SIGHUP).unwrap();
        for _ in 0..100 {
            if reloads() > before {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the worker has not reloaded\n{}", self.worker.log());
    }
}

/// Writes a registration file and says where it is.
fn registration(folder: &Path, id: &str, token: &str, regex: &str, more: &str) -> String {
    let file = folder.join(format!("{id}.yaml"));
    let text = format!(
        "id: {id}
as_token: {token}
hs_token: hs_{id}
sender_localpart: {id}
url: null
namespaces:
  users:
    - {{exclusive: false, regex: '{regex}'}}
{more}"
    );
    fs::write(&file, text).unwrap();
    file.display().to_string()
}
