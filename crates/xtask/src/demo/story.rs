//! What happens in the demo, and whether it happened as it should.

use anyhow::{Context, Result, ensure};
use key_backup_testkit::http::{Client, Response};
use serde_json::{Map, Value, json};

use super::{
    deployment::Deployment,
    sample::{Sampler, Sessions},
};
use crate::step::step;

const PREFIX: &str = "/_matrix/client/v3/room_keys";
const ROOMS: usize = 3;
/// As many as the SDKs send at once.
const SESSIONS_PER_UPLOAD: usize = 100;

/// A user with a backup.
#[derive(Debug)]
pub(super) struct Story {
    user_id: String,
    /// The user's token.
    pub(super) access_token: String,
    /// Talks to nginx.
    client: Client,
    /// The same user at Synapse's generic worker, past nginx.
    synapse: Client,
    version: String,
    /// What was uploaded: each room's sessions.
    rooms: Vec<(String, Sessions)>,
}

impl Story {
    /// Plays it all.
    ///
    /// # Errors
    ///
    /// The first thing that is not as it should be.
    pub(super) async fn tell(deployment: &Deployment) -> Result<Self> {
        let mut story = step("Synapse registers @alice:example.com", Self::register(deployment)).await?;
        step("a backup is created through nginx", story.create_backup()).await?;
        step("keys of three rooms are uploaded", story.upload()).await?;
        step("uploading known keys again changes nothing", story.upload_again()).await?;
        step("the whole backup is restored", story.restore()).await?;
        step("one key is fetched whose session id holds a slash", story.fetch_one()).await?;
        step("the rows in Synapse's tables", story.show_rows(deployment)).await?;
        step("Synapse's generic worker reads the same backup", story.compare_with_synapse()).await?;
        Ok(story)
    }

    async fn register(deployment: &Deployment) -> Result<Self> {
        let alice = deployment.synapse.register("alice").await?;
        Ok(Self {
            client: Client::new(deployment.nginx.address()).as_user(&alice.access_token),
            synapse: Client::new(deployment.synapse.generic_worker()).as_user(&alice.access_token),
            user_id: alice.user_id,
            access_token: alice.access_token,
            version: String::new(),
            rooms: Vec::new(),
        })
    }

    async fn create_backup(&mut self) -> Result<()> {
        let body = json!({
            "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2",
            "auth_data": Sampler::new().auth_data(&self.user_id),
        });
        let answer = ok(&self.client.post(&format!("{PREFIX}/version"), &body).await?)?;
        println!("    {answer}");
        answer["version"].as_str().context("no version in the answer")?.clone_into(&mut self.version);
        let info = ok(&self.client.get(&format!("{PREFIX}/version")).await?)?;
        ensure!(info["auth_data"] == body["auth_data"], "auth_data came back as {}", info["auth_data"]);
        Ok(())
    }

    async fn upload(&mut self) -> Result<()> {
        let mut sampler = Sampler::new();
        for upload in 1..=ROOMS {
            let (room, sessions) = (sampler.room_id(), sampler.sessions(SESSIONS_PER_UPLOAD));
            let answer = self.put(&room, &sessions).await?;
            println!("    {SESSIONS_PER_UPLOAD} keys of {room}: {answer}");
            expect(&answer, &counted(upload, upload * SESSIONS_PER_UPLOAD))?;
            self.rooms.push((room, sessions));
        }
        Ok(())
    }

    async fn upload_again(&self) -> Result<()> {
        let (room, sessions) = self.rooms.first().context("no room")?;
        let answer = self.put(room, sessions).await?;
        println!("    {answer}");
        expect(&answer, &counted(ROOMS, ROOMS * SESSIONS_PER_UPLOAD))
    }

    async fn put(&self, room: &str, sessions: &Sessions) -> Result<Value> {
        let body = json!({ "rooms": { room: { "sessions": sessions } } });
        ok(&self.client.put(&self.keys_path(&[]), &body).await?)
    }

    async fn restore(&self) -> Result<()> {
        let answer = self.client.get(&self.keys_path(&[])).await?;
        println!("    {} bytes", answer.body.len());
        let rooms: Map<String, Value> = self
            .rooms
            .iter()
            .map(|(room, sessions)| (room.clone(), json!({ "sessions": sessions })))
            .collect();
        expect(&ok(&answer)?, &json!({ "rooms": rooms }))
    }

    async fn fetch_one(&self) -> Result<()> {
        let path = self.keys_path(&self.session_with_slash()?);
        println!("    GET {path}");
        let (_, sessions) = self.rooms.first().context("no room")?;
        let [_, session] = self.session_with_slash()?;
        expect(&ok(&self.client.get(&path).await?)?, &sessions[session])
    }

    async fn show_rows(&self, deployment: &Deployment) -> Result<()> {
        let client = deployment.postgres.address().connect(deployment.synapse.database()).await?;
        let versions = "SELECT row_to_json(v)::text FROM e2e_room_keys_versions v";
        for row in client.query(versions, &[]).await? {
            println!("    e2e_room_keys_versions: {}", row.get::<_, String>(0));
        }
        let keys = "SELECT row_to_json(k)::text, count(*) OVER () FROM e2e_room_keys k LIMIT 3";
        let rows = client.query(keys, &[]).await?;
        for row in &rows {
            println!("    e2e_room_keys: {:.230}...", row.get::<_, String>(0));
        }
        let count = rows.first().map_or(0, |row| row.get::<_, i64>(1));
        println!("    e2e_room_keys: {count} rows");
        ensure!(usize::try_from(count)? == ROOMS * SESSIONS_PER_UPLOAD, "{count} rows in the table");
        Ok(())
    }

    async fn compare_with_synapse(&self) -> Result<()> {
        let (room, _) = self.rooms.last().context("no room")?;
        let paths = [
            format!("{PREFIX}/version"),
            format!("{PREFIX}/version/{}", self.version),
            self.keys_path(&[]),
            self.keys_path(&[room]),
            self.keys_path(&self.session_with_slash()?),
            self.keys_path(&[room, "no such session"]),
        ];
        for path in paths {
            let (ours, theirs) = (self.client.get(&path).await?, self.synapse.get(&path).await?);
            ensure!(
                ours.status == theirs.status,
                "GET {path}: {} from us, {} from Synapse",
                ours.status,
                theirs.status
            );
            expect(&ours.json()?, &theirs.json()?).with_context(|| format!("GET {path}"))?;
            println!("    {} GET {path}: the same", ours.status);
        }
        Ok(())
    }

    /// Room and session.
    fn session_with_slash(&self) -> Result<[&str; 2]> {
        let (room, sessions) = self.rooms.first().context("no room")?;
        let session =
            sessions.keys().find(|session| session.contains('/')).context("no session with a slash")?;
        Ok([room, session])
    }

    fn keys_path(&self, segments: &[&str]) -> String {
        let mut path = format!("{PREFIX}/keys");
        for segment in segments {
            path = path + "/" + &encoded(segment);
        }
        path + "?version=" + &self.version
    }
}

/// What an upload answers.
fn counted(etag: usize, count: usize) -> Value {
    json!({ "etag": etag.to_string(), "count": count })
}

fn ok(answer: &Response) -> Result<Value> {
    ensure!(answer.status == 200, "answered {}: {}", answer.status, answer.text());
    answer.json()
}

fn expect(found: &Value, expected: &Value) -> Result<()> {
    let short = |value: &Value| value.to_string().chars().take(400).collect::<String>();
    ensure!(found == expected, "expected {}, found {}", short(expected), short(found));
    Ok(())
}

/// Percent-encodes a path's segment as browsers' `encodeURIComponent` does.
fn encoded(segment: &str) -> String {
    segment
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z'
            | b'a'..=b'z'
            | b'0'..=b'9'
            | b'-'
            | b'_'
            | b'.'
            | b'!'
            | b'~'
            | b'*'
            | b'\''
            | b'('
            | b')' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
