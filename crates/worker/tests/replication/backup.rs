//! One user's backup, looked at as a client sees it and as the database has it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use key_backup_testkit::http::{Client, Response};
use serde_json::{Value, json};
use tokio_postgres::Client as Sql;

const ROOM_KEYS: &str = "/_matrix/client/v3/room_keys";

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A backup over HTTP.
#[derive(Clone)]
pub(crate) struct Backup {
    client: Client,
}

/// What an answer says of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) etag: i64,
    pub(crate) count: i64,
}

impl Backup {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    pub(crate) async fn create(&self) -> Result<String> {
        let body = json!({ "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": { "public_key": "k" } });
        let answer = ok(&self.client.post(&format!("{ROOM_KEYS}/version"), &body).await?)?;
        Ok(answer["version"].as_str().context("no version")?.to_owned())
    }

    /// Asks for the current version, as clients do all the time.
    pub(crate) async fn poll(&self) -> Result<Shown> {
        shown(&ok(&self.get().await?)?)
    }

    pub(crate) async fn get(&self) -> Result<Response> {
        self.client.get(&format!("{ROOM_KEYS}/version")).await
    }

    /// Uploads one key.
    pub(crate) async fn put(&self, version: &str, room: &str, session: &str) -> Result<Shown> {
        let target = format!("{ROOM_KEYS}/keys/{room}/{session}?version={version}");
        let key = json!({ "first_message_index": 0, "forwarded_count": 0, "is_verified": true, "session_data": {} });
        shown(&ok(&self.client.put(&target, &key).await?)?)
    }

    /// Deletes the keys of a room, or all.
    pub(crate) async fn delete(&self, version: &str, room: Option<&str>) -> Result<Shown> {
        let room = room.map(|room| format!("/{room}")).unwrap_or_default();
        shown(&ok(&self.client.delete(&format!("{ROOM_KEYS}/keys{room}?version={version}")).await?)?)
    }

    pub(crate) async fn delete_version(&self, version: &str) -> Result<()> {
        ok(&self.client.delete(&format!("{ROOM_KEYS}/version/{version}")).await?).map(drop)
    }
}

fn ok(answer: &Response) -> Result<Value> {
    ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
    answer.json()
}

fn shown(answer: &Value) -> Result<Shown> {
    let etag = answer["etag"].as_str().context("no etag")?.parse()?;
    Ok(Shown { etag, count: answer["count"].as_i64().context("no count")? })
}

/// How many keys there are.
pub(crate) async fn rows(sql: &Sql, user: &str, version: &str) -> Result<i64> {
    let version: i64 = version.parse()?;
    let count = "SELECT count(*) FROM e2e_room_keys WHERE user_id = $1 AND version = $2";
    Ok(sql.query_one(count, &[&user, &version]).await?.get(0))
}

/// Stores a key as Synapse does: first the key, then the etag, each for itself.
pub(crate) async fn put_as_synapse(sql: &Sql, user: &str, version: &str, session: &str) -> Result<()> {
    let version: i64 = version.parse()?;
    let key = "INSERT INTO e2e_room_keys (user_id, version, room_id, session_id, first_message_index, forwarded_count, is_verified, session_data)
               VALUES ($1, $2, '!synapse', $3, 0, 0, true, '{}')";
    sql.execute(key, &[&user, &version, &session]).await?;
    raise_etag(sql, user, version).await
}

/// Deletes one of those keys as Synapse does.
pub(crate) async fn delete_as_synapse(sql: &Sql, user: &str, version: &str, session: &str) -> Result<()> {
    let version: i64 = version.parse()?;
    let key = "DELETE FROM e2e_room_keys WHERE user_id = $1 AND version = $2 AND session_id = $3";
    sql.execute(key, &[&user, &version, &session]).await?;
    raise_etag(sql, user, version).await
}

async fn raise_etag(sql: &Sql, user: &str, version: i64) -> Result<()> {
    let raise =
        "UPDATE e2e_room_keys_versions SET etag = coalesce(etag, 0) + 1 WHERE user_id = $1 AND version = $2";
    sql.execute(raise, &[&user, &version]).await?;
    Ok(())
}

/// Deletes a room's keys from all backups, as Synapse does where a room is deleted: no etag is raised.
pub(crate) async fn delete_room(sql: &Sql, room: &str) -> Result<()> {
    sql.execute("DELETE FROM e2e_room_keys WHERE room_id = $1", &[&room]).await?;
    Ok(())
}

/// Writes an invalidation down where Synapse does.
pub(crate) async fn invalidate(sql: &Sql, function: &str, keys: &[&str]) -> Result<()> {
    let row = "INSERT INTO cache_invalidation_stream_by_instance (stream_id, instance_name, cache_func, keys, invalidation_ts)
               VALUES (nextval('cache_invalidation_stream_seq'), 'master', $1, $2, 0)";
    sql.execute(row, &[&function, &keys]).await?;
    Ok(())
}

/// Waits until something is as it should be, which no test does longer than 20 s.
pub(crate) async fn until(what: &str, mut ready: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !ready().await? {
        ensure!(start.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
