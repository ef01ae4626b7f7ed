//! What clients do to a key backup, mistakes included.

use anyhow::{Context, Result, ensure};
use key_backup_testkit::http::{Client, Request, Response};
use serde_json::{Map, Value, json};

const ROOM_KEYS: &str = "/_matrix/client/v3/room_keys";

/// A backup's user on one process, Synapse's or ours.
pub(crate) struct Load {
    client: Client,
    version: String,
}

impl Load {
    /// Makes a version of the backup.
    pub(crate) async fn begin(client: Client) -> Result<Self> {
        let body = json!({ "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": { "public_key": "k" } });
        let answer = client.post(&format!("{ROOM_KEYS}/version"), &body).await?;
        ensure!(answer.status == 200, "no version: {}", answer.text());
        let version = answer.json()?["version"].as_str().context("no version")?.to_owned();
        Ok(Self { client, version })
    }

    /// Every operation once, and every mistake that is answered with an error.
    pub(crate) async fn round(&self, round: usize) -> Result<()> {
        self.upload(round, 100).await?;
        self.read(round).await?;
        self.change(round).await?;
        self.mistakes().await
    }

    /// Uploads so many keys at once, and the first of them again, and a better one.
    pub(crate) async fn upload(&self, round: usize, keys: usize) -> Result<()> {
        let sessions: Map<String, Value> =
            (0..keys).map(|session| (format!("{round}/{session}"), key(3))).collect();
        let body = json!({ "rooms": { "!room": { "sessions": sessions } } });
        self.expect(200, &self.client.put(&self.keys(""), &body).await?)?;
        for index in [3, 1] {
            let one = self.keys(&format!("/!room/{round}%2F0"));
            self.expect(200, &self.client.put(&one, &key(index)).await?)?;
        }
        Ok(())
    }

    async fn read(&self, round: usize) -> Result<()> {
        for path in ["/version", &format!("/version/{}", self.version)] {
            self.expect(200, &self.client.get(&format!("{ROOM_KEYS}{path}")).await?)?;
        }
        for path in ["", "/!room", &format!("/!room/{round}%2F0")] {
            self.expect(200, &self.client.get(&self.keys(path)).await?)?;
        }
        self.expect(404, &self.client.get(&self.keys("/!room/nobody")).await?)
    }

    /// Restores everything.
    pub(crate) async fn restore(&self) -> Result<usize> {
        let answer = self.client.get(&self.keys("")).await?;
        ensure!(answer.status == 200, "no restore: {}", answer.text());
        Ok(answer.body.len())
    }

    async fn change(&self, round: usize) -> Result<()> {
        let body = json!({ "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": { "round": round }, "version": self.version });
        let version = format!("{ROOM_KEYS}/version/{}", self.version);
        self.expect(200, &self.client.put(&version, &body).await?)?;
        self.expect(200, &self.client.delete(&self.keys(&format!("/!room/{round}%2F1"))).await?)
    }

    async fn mistakes(&self) -> Result<()> {
        let nobody = Client::new(self.client.address().clone());
        self.expect(401, &nobody.get(&self.keys("")).await?)?;
        self.expect(401, &nobody.as_user("unknown").get(&self.keys("")).await?)?;
        self.expect(
            404,
            &self.client.put(&format!("{ROOM_KEYS}/keys?version=77"), &json!({"rooms": {}})).await?,
        )?;
        let no_json = Request::new("PUT", &self.keys("")).body("{");
        self.expect(400, &self.client.send(no_json).await?)?;
        self.expect(404, &self.client.get("/_matrix/client/v3/room_keys/nothing").await?)?;
        self.expect(204, &self.client.send(Request::new("OPTIONS", &self.keys(""))).await?)?;
        self.expect(200, &self.client.get("/health").await?)
    }

    /// Makes the next version, uploads into the one of before, and deletes it.
    pub(crate) async fn end(&self) -> Result<()> {
        Self::begin(self.client.clone()).await?;
        self.expect(403, &self.client.put(&self.keys("/!room/late"), &key(0)).await?)?;
        let version = format!("{ROOM_KEYS}/version/{}", self.version);
        self.expect(200, &self.client.delete(&version).await?)
    }

    fn keys(&self, path: &str) -> String {
        format!("{ROOM_KEYS}/keys{path}?version={}", self.version)
    }

    fn expect(&self, status: u16, answer: &Response) -> Result<()> {
        let address = self.client.address();
        ensure!(
            answer.status == status,
            "{address:?}: {} in place of {status}: {}",
            answer.status,
            answer.text()
        );
        Ok(())
    }
}

fn key(first_message_index: i32) -> Value {
    json!({
        "first_message_index": first_message_index,
        "forwarded_count": 0,
        "is_verified": false,
        "session_data": { "ciphertext": "c".repeat(640), "ephemeral": "e", "mac": "m" },
    })
}
