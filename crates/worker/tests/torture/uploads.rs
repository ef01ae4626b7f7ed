//! Uploads of one user from several devices, and what has become of them.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use key_backup_testkit::{
    Account, TestDatabase, Worker,
    http::{Client, Response},
    services::{Durability, Postgres, Redis},
    temporary_folder,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinHandle};

const VERSION: &str = "/_matrix/client/v3/room_keys/version";
const KEYS: &str = "/_matrix/client/v3/room_keys/keys?version=1";
/// Each upload is of a room of its own, with that many keys.
const SIZE: u64 = 20;
const DEVICES: usize = 4;
const SOON: Duration = Duration::from_secs(20);

/// Servers, a user with one version, and what has been uploaded to it.
pub(crate) struct Setup {
    pub(crate) database: TestDatabase,
    pub(crate) postgres: Postgres,
    redis: Redis,
    devices: Vec<Account>,
    /// Rooms are named by it.
    round: u64,
    /// The rooms that have to be there.
    stored: BTreeMap<String, u64>,
    answered: usize,
    unanswered: usize,
    _folder: TempDir,
}

/// Uploads under way.
pub(crate) struct Uploads {
    devices: Vec<JoinHandle<Vec<Upload>>>,
    answered: watch::Receiver<u64>,
    stop: Arc<AtomicBool>,
}

/// An upload, and the etag and the count that it was answered with.
struct Upload {
    room: String,
    told: Option<(u64, u64)>,
}

impl Setup {
    pub(crate) async fn start() -> Self {
        let folder = temporary_folder().unwrap();
        let postgres = Postgres::start(&folder.path().join("postgres"), Durability::Fast).await.unwrap();
        let redis = Redis::start(&folder.path().join("redis")).await.unwrap();
        let database = TestDatabase::create_on(postgres.address()).await.unwrap();
        let mut devices = vec![database.add_user("alice").await.unwrap()];
        while devices.len() < DEVICES {
            devices.push(database.add_device(&devices[0].user_id).await.unwrap());
        }
        let sql = "INSERT INTO e2e_room_keys_versions (user_id, version, algorithm, auth_data) VALUES ($1, 1, 'a', '{}')";
        database.connect().await.unwrap().execute(sql, &[&devices[0].user_id]).await.unwrap();
        let (stored, round, answered, unanswered) = (BTreeMap::new(), 0, 0, 0);
        Self { database, postgres, redis, devices, round, stored, answered, unanswered, _folder: folder }
    }

    /// A worker on the servers.
    pub(crate) async fn worker(&self) -> Worker {
        let binary = Path::new(env!("CARGO_BIN_EXE_key-backup-worker"));
        let config = Worker::configure(binary).database(&self.database);
        config.yaml(&self.redis.address().redis_yaml()).start().await.unwrap()
    }

    /// Lets all devices upload, each one thing after another, until one is not answered.
    pub(crate) fn begin_uploads(&mut self, worker: &Worker) -> Uploads {
        self.round += 1;
        let stop = Arc::new(AtomicBool::new(false));
        let (answered, answers) = watch::channel(0);
        let devices = self.devices.iter().enumerate().map(|(number, account)| {
            let client = worker.client().as_user(&account.access_token);
            let name = format!("!{}-{number}", self.round);
            tokio::spawn(uploads(client, name, answered.clone(), Arc::clone(&stop)))
        });
        Uploads { devices: devices.collect(), answered: answers, stop }
    }

    /// Waits until the uploads and what they have begun in PostgreSQL are at their end, and compares with what is there.
    pub(crate) async fn check(&mut self, uploads: Uploads) {
        uploads.stop.store(true, Ordering::Relaxed);
        let mut sent = Vec::new();
        for device in uploads.devices {
            sent.extend(device.await.unwrap());
        }
        self.wait_for_postgresql().await;
        let (etag, rooms) = self.in_database().await;
        for upload in &sent {
            let there = rooms.get(&upload.room).copied();
            match upload.told {
                Some(_) => assert_eq!(there, Some(SIZE), "answered, but not there: {}", upload.room),
                None => assert!([None, Some(SIZE)].contains(&there), "half is there: {}", upload.room),
            }
            self.stored.extend(there.map(|count| (upload.room.clone(), count)));
        }
        assert_eq!(rooms, self.stored, "what was there before is there no more");
        assert_told_right(&sent, etag);
        self.answered += sent.iter().filter(|upload| upload.told.is_some()).count();
        self.unanswered += sent.iter().filter(|upload| upload.told.is_none()).count();
    }

    /// Checks that what a worker says of etag and count is what PostgreSQL has.
    pub(crate) async fn assert_counts(&mut self, worker: &Worker) {
        let client = worker.client().as_user(&self.devices[0].access_token);
        self.round += 1;
        let room = format!("!{}", self.round);
        let uploaded = told(&once_served(&client, &body(&room)).await);
        self.stored.insert(room, SIZE);
        let read = told(&client.get(VERSION).await.unwrap());
        let (etag, rooms) = self.in_database().await;
        let right = Some((etag, rooms.values().sum()));
        assert_eq!((uploaded, read), (right, right));
    }

    pub(crate) fn assert_both_were_met(&self) {
        println!("{} uploads were answered, {} were not", self.answered, self.unanswered);
        assert!(self.answered > 0 && self.unanswered > 0);
    }

    /// What a worker that was killed has sent may still happen; of one that lives, everything has been answered.
    async fn wait_for_postgresql(&self) {
        let sql = "SELECT count(*) FROM pg_stat_activity a WHERE datname = current_database() AND pid <> pg_backend_pid()
                     AND backend_type = 'client backend' AND NOT (state = 'idle' AND now() - state_change > interval '50 ms')";
        let client = self.database.connect().await.unwrap();
        let start = Instant::now();
        while client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            assert!(start.elapsed() < SOON, "PostgreSQL does not come to rest");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The etag, and how many keys there are of each room.
    async fn in_database(&self) -> (u64, BTreeMap<String, u64>) {
        let client = self.database.connect().await.unwrap();
        let etag =
            client.query_one("SELECT coalesce(etag, 0) FROM e2e_room_keys_versions", &[]).await.unwrap();
        let sql = "SELECT room_id, count(*) FROM e2e_room_keys GROUP BY room_id";
        let rooms = client.query(sql, &[]).await.unwrap();
        let count = |count: i64| count.unsigned_abs();
        (count(etag.get(0)), rooms.iter().map(|row| (row.get(0), count(row.get(1)))).collect())
    }
}

impl Uploads {
    /// Waits until that many of them have been answered.
    pub(crate) async fn are_answered(&mut self, number: u64) {
        self.answered.wait_for(|answered| *answered >= number).await.unwrap();
    }
}

async fn uploads(
    client: Client,
    name: String,
    answered: watch::Sender<u64>,
    stop: Arc<AtomicBool>,
) -> Vec<Upload> {
    let mut sent = Vec::new();
    for number in 0.. {
        let room = format!("{name}-{number}");
        let answer = client.put(KEYS, &body(&room)).await.ok().filter(|answer| answer.status != 503);
        let told = answer.as_ref().and_then(told);
        sent.push(Upload { room, told });
        answered.send_modify(|answered| *answered += u64::from(told.is_some()));
        if told.is_none() || stop.load(Ordering::Relaxed) {
            break;
        }
    }
    sent
}

/// An upload, again and again until PostgreSQL has been found to be back.
async fn once_served(client: &Client, body: &Value) -> Response {
    let start = Instant::now();
    loop {
        let answer = client.put(KEYS, body).await.unwrap();
        if answer.status != 503 || start.elapsed() > SOON {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn body(room: &str) -> Value {
    let mut body = json!({ "rooms": {} });
    for session in 0..SIZE {
        body["rooms"][room]["sessions"][format!("session{session}")] = json!({
            "is_verified": true, "first_message_index": 0, "forwarded_count": 0, "session_data": { "ciphertext": "c" },
        });
    }
    body
}

/// The etag and the count of an answer.
fn told(answer: &Response) -> Option<(u64, u64)> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json().unwrap();
    Some((body["etag"].as_str()?.parse().unwrap(), body["count"].as_u64()?))
}

/// Checks that answers with the same etag have the same count, and that a later one has counted more uploads, all of them whole.
fn assert_told_right(sent: &[Upload], etag: u64) {
    let mut told: Vec<(u64, u64)> = sent.iter().filter_map(|upload| upload.told).collect();
    told.sort_unstable();
    told.dedup();
    for pair in told.windows(2) {
        assert!(pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1, "{pair:?}");
    }
    assert!(told.iter().all(|(_, count)| count.is_multiple_of(SIZE)), "{told:?}");
    assert!(told.iter().all(|(told, _)| *told <= etag), "{told:?} after {etag}");
}
