//! A real Synapse and a worker, each with a way of its own to Redis that can be cut.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use key_backup_testkit::{
    Account, BreakableProxy, Worker,
    http::{Client, Request},
    services::{Postgres, Redis, RedisAddress, Synapse, SynapseVenv},
    temporary_folder,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_postgres::Client as Sql;

use crate::{
    backup::{Backup, until},
    setup::{binary, subscribed},
};

const VERSION: &str = "/_matrix/client/v3/room_keys/version";

/// How long a token may live on after Synapse has ended it.
pub(crate) const ONE_SECOND: Duration = Duration::from_secs(1);

/// Everything that runs, ended in the order of the fields.
pub(crate) struct Deployment {
    pub(crate) worker: Worker,
    pub(crate) synapse: Synapse,
    pub(crate) redis: Redis,
    pub(crate) between_worker_and_redis: BreakableProxy,
    pub(crate) between_synapse_and_redis: BreakableProxy,
    pub(crate) sql: Sql,
    pub(crate) root: Account,
    _folder: TempDir,
}

impl Deployment {
    pub(crate) async fn start(yaml: &str) -> Result<Self> {
        let folder = temporary_folder()?;
        let redis = Redis::start(&folder.path().join("redis")).await?;
        let address = ([127, 0, 0, 1], redis.address().port).into();
        let between_worker_and_redis = BreakableProxy::start(address).await?;
        let between_synapse_and_redis = BreakableProxy::start(address).await?;
        let postgres = Postgres::from_env()?;
        let for_synapse = through(&between_synapse_and_redis);
        let venv = SynapseVenv::from_env()?;
        let synapse =
            Synapse::start_with(&venv, &folder.path().join("synapse"), &postgres, for_synapse, yaml).await?;
        let worker = Worker::configure(binary())
            .file(synapse.config())
            .yaml(&through(&between_worker_and_redis).redis_yaml())
            .metrics()
            .start()
            .await?;
        subscribed(&worker).await?;
        let sql = postgres.connect(synapse.database()).await?;
        let root = synapse.register_administrator("root").await?;
        Ok(Self {
            worker,
            synapse,
            redis,
            between_worker_and_redis,
            between_synapse_and_redis,
            sql,
            root,
            _folder: folder,
        })
    }

    /// Another login of a user whose password is the usual one.
    pub(crate) async fn log_in(&self, account: &Account) -> Result<Account> {
        let body = json!({
            "type": "m.login.password",
            "identifier": { "type": "m.id.user", "user": account.user_id },
            "password": Synapse::PASSWORD,
        });
        let answer = self.at_synapse("").post("/_matrix/client/v3/login", &body).await?;
        ensure!(answer.status == 200, "no login: {}", answer.text());
        let answer = answer.json()?;
        let text = |name: &str| answer[name].as_str().map(str::to_owned).context("not a login");
        Ok(Account {
            user_id: text("user_id")?,
            device_id: text("device_id")?,
            access_token: text("access_token")?,
        })
    }

    /// The main process, for a user.
    pub(crate) fn at_synapse(&self, access_token: &str) -> Client {
        let client = Client::new(self.synapse.main());
        if access_token.is_empty() { client } else { client.as_user(access_token) }
    }

    /// Something that an administrator does.
    pub(crate) async fn administrate(&self, method: &str, target: &str, body: Value) -> Result<Value> {
        let request = Request::new(method, target).json(&body);
        let answer = self.at_synapse(&self.root.access_token).send(request).await?;
        ensure!(answer.status < 300, "{target}: {} {}", answer.status, answer.text());
        answer.json()
    }

    pub(crate) async fn change_user(&self, account: &Account, changes: Value) -> Result<()> {
        let target = format!("/_synapse/admin/v2/users/{}", account.user_id);
        self.administrate("PUT", &target, changes).await.map(drop)
    }

    pub(crate) async fn log_out(&self, account: &Account) -> Result<()> {
        let answer =
            self.at_synapse(&account.access_token).post("/_matrix/client/v3/logout", &json!({})).await?;
        ensure!(answer.status == 200, "no logout: {}", answer.text());
        Ok(())
    }

    /// What the worker says to a token, in a word: `welcome`, or the error code.
    pub(crate) async fn greeting(&self, account: &Account) -> Result<String> {
        let answer = self.worker.client().as_user(&account.access_token).get(VERSION).await?;
        if answer.status == 200 || answer.json()?["error"] == "No backup found" {
            return Ok("welcome".to_owned());
        }
        let errcode = answer.json()?;
        Ok(errcode["errcode"].as_str().context("no errcode")?.to_owned())
    }

    pub(crate) async fn token_hits(&self) -> Result<i64> {
        self.worker.metric("key_backup_tokens_lookups_total", &["result=\"hit\""]).await
    }

    /// Uses a token until the worker lets it in without asking PostgreSQL.
    pub(crate) async fn remember(&self, account: &Account) -> Result<()> {
        until("the token is remembered", async || {
            let before = self.token_hits().await?;
            ensure!(self.greeting(account).await? == "welcome", "{} is not let in", account.user_id);
            Ok(self.token_hits().await? > before)
        })
        .await
    }

    pub(crate) fn backup(&self, account: &Account) -> Backup {
        Backup::new(self.worker.client().as_user(&account.access_token))
    }

    pub(crate) fn backup_at_synapse(&self, account: &Account) -> Backup {
        Backup::new(Client::new(self.synapse.generic_worker()).as_user(&account.access_token))
    }
}

fn through(proxy: &BreakableProxy) -> RedisAddress {
    RedisAddress { port: proxy.address().port() }
}
