//! What is in the database before the load: users with backups of many sizes, as real clients make them.

use anyhow::{Context, Result};
use key_backup_testkit::services::PostgresAddress;
use tokio_postgres::Client;

/// Characters of `session_data` in a real backup.
const SESSION_DATA: usize = 735;

/// Keys in one room of a backup.
pub(crate) const ROOM: usize = 200;

/// How many users there are of each kind that writes.
pub(crate) const USERS: usize = 64;

/// The first number of keys that are not in any backup.
pub(crate) const NEW: usize = 1_000_000;

/// The `first_message_index` of keys that wait to be replaced by better ones.
pub(crate) const WORST_INDEX: i32 = 2_000_000_000;

/// Keys that each user of [`Kind::Deleter`] has, and how many of them are in one room.
pub(crate) const DELETABLE: usize = 400;
pub(crate) const DELETABLE_ROOM: usize = 100;

/// Users who are alike but for their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only reads; its number says how many keys there are in its backup.
    Reader,
    /// Uploads new keys to a backup of 200.
    Uploader,
    /// Has 1000 keys and uploads them again.
    Knower,
    /// Has 1000 keys and uploads better ones.
    Improver,
    /// Has [`DELETABLE`] keys and deletes them.
    Deleter,
    /// One user of many devices, with 10000 keys.
    Hot,
    /// Is slow to send and to read.
    Slow,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Uploader => "uploader",
            Self::Knower => "knower",
            Self::Improver => "improver",
            Self::Deleter => "deleter",
            Self::Hot => "hot",
            Self::Slow => "slow",
        }
    }

    /// The token of the user of that number.
    pub(crate) fn token(self, number: usize) -> String {
        format!("token_{}{number}", self.name())
    }

    /// The id of the user of that number.
    pub(crate) fn user(self, number: usize) -> String {
        format!("@{}{number}:example.com", self.name())
    }

    /// A condition of SQL for all of them.
    pub(crate) fn condition(self) -> String {
        format!("user_id LIKE '@{}%'", self.name())
    }
}

/// The `session_data` of a key, of the length that real ones have.
pub(crate) fn session_data() -> String {
    let frame = r#"{"ephemeral":"","ciphertext":"","mac":""}"#.len();
    let text = "a".repeat(SESSION_DATA - frame - 43 - 11);
    format!(r#"{{"ephemeral":"{}","ciphertext":"{text}","mac":"{}"}}"#, "e".repeat(43), "m".repeat(11))
}

/// The id of a session: 43 characters of base64, with the slashes and pluses that they have.
pub(crate) fn session_id(number: usize) -> String {
    format!("{number:012}/abcdefghijklmno+qrstuvwxyzABCD")
}

/// The room of that number.
pub(crate) fn room_id(number: usize) -> String {
    format!("!{number:043}")
}

/// The room that a session is in which is uploaded.
pub(crate) fn room_of(session: usize) -> String {
    room_id(session / ROOM)
}

/// Keeps PostgreSQL from work of its own in the midst of a round: the tables are vacuumed between rounds, and checkpoints are as rare as
/// on a server that is set up for load.
pub(crate) async fn prepare(client: &Client) -> Result<()> {
    for sql in [
        "ALTER SYSTEM SET max_wal_size = '8GB'",
        "ALTER SYSTEM SET checkpoint_timeout = '1h'",
        "SELECT pg_reload_conf()",
        "ALTER TABLE e2e_room_keys SET (autovacuum_enabled = off)",
        "ALTER TABLE e2e_room_keys_versions SET (autovacuum_enabled = off)",
    ] {
        client.batch_execute(sql).await?;
    }
    Ok(())
}

/// Makes the users, and readers with backups of these sizes.
pub(crate) async fn make(postgres: &PostgresAddress, database: &str, sizes: &[usize]) -> Result<()> {
    let client = postgres.connect(database).await?;
    prepare(&client).await?;
    for size in sizes {
        let interleaved = format!("n % {}", (size / ROOM).max(1));
        add_users(&client, Kind::Reader, *size..size + 1, *size, &interleaved).await?;
    }
    add_users(&client, Kind::Uploader, 0..USERS, 200, &format!("n / {ROOM}")).await?;
    add_users(&client, Kind::Knower, 0..USERS, 1000, &format!("n / {ROOM}")).await?;
    add_users(&client, Kind::Improver, 0..USERS, 1000, &format!("n / {ROOM}")).await?;
    add_users(&client, Kind::Deleter, 0..USERS, 0, "0").await?;
    add_users(&client, Kind::Hot, 0..1, 10_000, &format!("n / {ROOM}")).await?;
    for sql in with_worse_keys() {
        client.batch_execute(&sql).await?;
    }
    settle(&client).await
}

/// Lets PostgreSQL do what it would do some time after so many changes.
pub(crate) async fn settle(client: &Client) -> Result<()> {
    for table in ["e2e_room_keys", "e2e_room_keys_versions", "access_tokens", "users"] {
        client.batch_execute(&format!("VACUUM ANALYZE {table}")).await?;
    }
    client.batch_execute("CHECKPOINT").await?;
    Ok(())
}

/// Makes users of these numbers with backups of so many keys each; `room` is SQL for the number of the room that the key `n` is in.
pub(crate) async fn add_users(
    client: &Client,
    kind: Kind,
    numbers: std::ops::Range<usize>,
    keys: usize,
    room: &str,
) -> Result<()> {
    let name = kind.name();
    let (first, last) = (numbers.start, numbers.end - 1);
    let auth_data =
        format!(r#"{{"public_key":"{}","signatures":{{"ed25519:A":"{}"}}}}"#, "k".repeat(43), "s".repeat(86));
    let keys = insert_keys(kind, first..last + 1, keys, room);
    let sql = format!(
        "INSERT INTO users (name, creation_ts)
           SELECT '@{name}' || u || ':example.com', 0 FROM generate_series({first}, {last}) AS u;
         INSERT INTO access_tokens (id, user_id, token, used)
           SELECT (SELECT coalesce(max(id), 1000000) FROM access_tokens) + u - {first} + 1,
             '@{name}' || u || ':example.com', 'token_{name}' || u, true FROM generate_series({first}, {last}) AS u;
         INSERT INTO e2e_room_keys_versions (user_id, version, algorithm, auth_data, deleted, etag)
           SELECT '@{name}' || u || ':example.com', 1, 'm.megolm_backup.v1.curve25519-aes-sha2', '{auth_data}', 0, 1
             FROM generate_series({first}, {last}) AS u;
         {keys}"
    );
    client.batch_execute(&sql).await.with_context(|| format!("cannot make the users {name}"))
}

/// SQL that gives users the keys from 0 on that they don't have.
fn insert_keys(kind: Kind, users: std::ops::Range<usize>, keys: usize, room: &str) -> String {
    let (name, data) = (kind.name(), session_data());
    let suffix = session_id(0).split_off(12);
    format!(
        "INSERT INTO e2e_room_keys (user_id, room_id, session_id, version, first_message_index, forwarded_count, is_verified, session_data)
           SELECT '@{name}' || u || ':example.com', '!' || lpad(({room})::text, 43, '0'), lpad(n::text, 12, '0') || '{suffix}',
             1, 0, 0, false, '{data}'
             FROM generate_series({}, {}) AS u, generate_series(0, {keys} - 1) AS n
           ON CONFLICT DO NOTHING",
        users.start,
        users.end - 1
    )
}

const VACUUM: &str = "VACUUM e2e_room_keys, e2e_room_keys_versions";

/// What to run before a round of uploads by this kind, so that each round finds what the one before found.
pub(crate) fn without_new_keys(kind: Kind) -> Vec<String> {
    let condition = kind.condition();
    let first_new = format!("{NEW:012}");
    let sql = format!(
        "WITH gone AS (DELETE FROM e2e_room_keys WHERE {condition} AND session_id >= '{first_new}' RETURNING user_id)
         UPDATE e2e_room_keys_versions SET etag = etag + 1 WHERE user_id IN (SELECT user_id FROM gone)"
    );
    vec![sql, VACUUM.to_owned()]
}

/// What to run before a round of better keys: all are as bad again as they were.
pub(crate) fn with_worse_keys() -> Vec<String> {
    let sql = format!(
        "UPDATE e2e_room_keys SET first_message_index = {WORST_INDEX}
          WHERE {} AND first_message_index <> {WORST_INDEX}",
        Kind::Improver.condition()
    );
    vec![sql, VACUUM.to_owned()]
}

/// What to run before a round of deletions: all that was deleted comes back.
pub(crate) fn with_deletable_keys() -> Vec<String> {
    let keys = insert_keys(Kind::Deleter, 0..USERS, DELETABLE, &format!("n / {DELETABLE_ROOM}"));
    let raise =
        format!("UPDATE e2e_room_keys_versions SET etag = etag + 1 WHERE {}", Kind::Deleter.condition());
    vec![VACUUM.to_owned(), keys, raise]
}
