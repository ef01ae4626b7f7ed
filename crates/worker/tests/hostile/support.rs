//! What the tests of this crate share.

use std::{fs, path::Path, time::Duration};

use key_backup_testkit::{
    Account, TestDatabase, Worker,
    http::{Client, Connection, Request, Response},
};
use serde_json::json;

/// The path of everything under test.
pub(crate) const ROOM_KEYS: &str = "/_matrix/client/v3/room_keys";

/// How long the first answer may take: bodies may be large, and machines busy.
const FIRST: Duration = Duration::from_secs(30);

/// How long a connection has to say nothing after an answer before nothing more is expected of it.
const SILENCE: Duration = Duration::from_millis(500);

/// A worker on a database of its own, and a user who has a backup, version 1.
pub(crate) struct Fixture {
    // Fields are dropped in their order: the worker ends before its database.
    pub(crate) worker: Worker,
    pub(crate) alice: Account,
    database: TestDatabase,
}

impl Fixture {
    /// Starts a worker with nothing unusual in its configuration.
    pub(crate) async fn start() -> Self {
        Self::with("{}").await
    }

    /// Starts a worker with these keys in its configuration besides.
    pub(crate) async fn with(yaml: &str) -> Self {
        let database = TestDatabase::create().await.unwrap();
        let binary = Path::new(env!("CARGO_BIN_EXE_key-backup-worker"));
        let worker = Worker::configure(binary).database(&database).yaml(yaml).start().await.unwrap();
        let alice = database.add_user("alice").await.unwrap();
        let fixture = Self { worker, alice, database };
        let body = json!({ "algorithm": "m.test", "auth_data": {} });
        let made = fixture.as_alice().post(&format!("{ROOM_KEYS}/version"), &body).await.unwrap();
        assert_eq!(made.json().unwrap(), json!({ "version": "1" }));
        fixture
    }

    /// A client with Alice's token.
    pub(crate) fn as_alice(&self) -> Client {
        self.worker.client().as_user(&self.alice.access_token)
    }

    /// The head of a request of Alice's, with these headers, each with its line end, behind those that it needs.
    pub(crate) fn head(&self, line: &str, headers: &str) -> String {
        let token = &self.alice.access_token;
        format!("{line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{headers}\r\n")
    }

    /// Uploads a body to all keys.
    pub(crate) async fn upload(&self, body: impl Into<Vec<u8>>) -> Response {
        let target = format!("{ROOM_KEYS}/keys?version=1");
        self.as_alice().send(Request::new("PUT", &target).body(body)).await.unwrap()
    }

    /// Sends bytes on a connection of their own and reads what comes, until the worker closes or has nothing more to say.
    pub(crate) async fn answers(&self, bytes: &[u8]) -> Answers {
        let mut connection = Connection::open(self.worker.address()).await.unwrap();
        // The worker may hang up before it has taken everything.
        let _ = connection.send_bytes(bytes).await;
        let mut answers = Answers { statuses: Vec::new(), bodies: String::new(), closed: false };
        loop {
            let limit = if answers.statuses.is_empty() { FIRST } else { SILENCE };
            match tokio::time::timeout(limit, connection.read_response()).await {
                Err(_) => return answers,
                Ok(Err(_)) => return Answers { closed: true, ..answers },
                Ok(Ok(answer)) => {
                    answers.statuses.push(answer.status);
                    answers.bodies.push_str(&answer.text());
                }
            }
        }
    }

    /// Writes that many keys by SQL, each with an `@` in its name, and `session_data` of so many bytes: an SQL expression of `n`, its number.
    pub(crate) async fn fill(&self, keys: usize, bytes: &str) -> usize {
        let sql = format!(
            r#"
            INSERT INTO e2e_room_keys
                (user_id, version, room_id, session_id, first_message_index, forwarded_count, is_verified, session_data)
            SELECT $1, 1, '!room' || n % 7, '@' || n, n, 0, false, '"' || repeat('x', {bytes}) || '"'
              FROM generate_series(1, {keys}) n"#
        );
        let written = self.database.connect().await.unwrap().execute(&sql, &[&self.alice.user_id]).await;
        usize::try_from(written.unwrap()).unwrap()
    }

    /// The worker still answers, and has not said anything of a mistake of its own.
    pub(crate) async fn is_well(&self) {
        let version = self.as_alice().get(&format!("{ROOM_KEYS}/version")).await.unwrap();
        assert_eq!(version.status, 200, "{}", version.text());
        let log = self.worker.log();
        assert!(!log.contains("panicked") && !log.contains("ERROR"), "{log}");
    }

    /// The most memory that the worker has had at any time, in MiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.worker.process().pid())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() / 1024
    }
}

/// All that came back on a connection.
#[derive(Debug)]
pub(crate) struct Answers {
    /// In their order.
    pub(crate) statuses: Vec<u16>,
    /// Their bodies in a row.
    pub(crate) bodies: String,
    /// Whether the worker closed the connection.
    pub(crate) closed: bool,
}

/// Checks that an answer is a Matrix error with this status and error code.
#[track_caller]
pub(crate) fn assert_refused(response: &Response, status: u16, errcode: &str) {
    let text = response.text();
    assert_eq!(response.status, status, "{text}");
    assert_eq!(response.json().unwrap()["errcode"], errcode, "{text}");
}

/// A key as clients upload it, with this `session_data`.
pub(crate) fn key(session_data: &str) -> String {
    format!(
        r#"{{"first_message_index":0,"forwarded_count":0,"is_verified":false,"session_data":{session_data}}}"#
    )
}

/// The body of an upload of one key to all keys.
pub(crate) fn backup(key: &str) -> String {
    format!(r#"{{"rooms":{{"!r":{{"sessions":{{"s":{key}}}}}}}}}"#)
}
