//! What is in the database before the load: users with backups of many sizes, as real clients make them.

use anyhow::Result;
use key_backup_testkit::services::PostgresAddress;

/// Characters of `session_data` in a real backup.
const SESSION_DATA: usize = 735;

/// Keys in one room of a backup.
const ROOM: usize = 200;

/// How many users upload at the same time.
pub(super) const UPLOADERS: usize = 64;

/// The user whose backup holds so many keys, and the token to ask for it.
pub(super) fn reader(keys: usize) -> (String, String) {
    (format!("@reader{keys}:example.com"), format!("token_reader{keys}"))
}

/// One of the users who upload.
pub(super) fn uploader(number: usize) -> (String, String) {
    (format!("@uploader{number}:example.com"), format!("token_uploader{number}"))
}

/// The user who uploads from many devices at once.
pub(super) fn hot() -> (String, String) {
    ("@hot:example.com".to_owned(), "token_hot".to_owned())
}

/// The `session_data` of a key, of the length that real ones have.
pub(super) fn session_data() -> String {
    let frame = r#"{"ephemeral":"","ciphertext":"","mac":""}"#.len();
    let text = "a".repeat(SESSION_DATA - frame - 43 - 11);
    format!(r#"{{"ephemeral":"{}","ciphertext":"{text}","mac":"{}"}}"#, "e".repeat(43), "m".repeat(11))
}

/// The id of a session: 43 characters of base64, with the slashes and pluses that they have.
pub(super) fn session_id(number: usize) -> String {
    format!("{number:012}/abcdefghijklmnop+qrstuvwxyzABCDEF")
}

/// The room that a session is in.
pub(super) fn room_id(number: usize) -> String {
    format!("!{:043}", number / ROOM)
}

/// Makes the users: readers with backups of these sizes, uploaders with 200 keys, and the hot one with 10000.
pub(super) async fn make(postgres: &PostgresAddress, database: &str, sizes: &[usize]) -> Result<()> {
    let client = postgres.connect(database).await?;
    let mut users: Vec<(String, String, usize)> =
        sizes.iter().map(|size| with_size(reader(*size), *size)).collect();
    users.extend((0..UPLOADERS).map(|number| with_size(uploader(number), 200)));
    users.push(with_size(hot(), 10_000));
    for (id, (user, token, keys)) in (1_000_000_i64..).zip(users) {
        let keys = i64::try_from(keys)?;
        client.execute("INSERT INTO users (name, creation_ts) VALUES ($1, 0)", &[&user]).await?;
        let add_token = "INSERT INTO access_tokens (id, user_id, token, used) VALUES ($1, $2, $3, true)";
        client.execute(add_token, &[&id, &user, &token]).await?;
        let add_version =
            "INSERT INTO e2e_room_keys_versions (user_id, version, algorithm, auth_data, deleted, etag)
             VALUES ($1, 1, 'm.megolm_backup.v1.curve25519-aes-sha2', $2, 0, 1)";
        let auth_data = format!(
            r#"{{"public_key":"{}","signatures":{{"{user}":{{"ed25519:A":"{}"}}}}}}"#,
            "k".repeat(43),
            "s".repeat(86)
        );
        client.execute(add_version, &[&user, &auth_data]).await?;
        let add_keys = "INSERT INTO e2e_room_keys (user_id, room_id, session_id, version, first_message_index, forwarded_count, is_verified, session_data)
             SELECT $1, '!' || lpad((n % greatest($2::bigint / 200, 1))::text, 43, '0'), lpad(n::text, 12, '0') || '/abcdefghijklmnop+qrstuvwxyzABCDEF', 1, 0, 0, false, $3
               FROM generate_series(0, $2::bigint - 1) AS n";
        client.execute(add_keys, &[&user, &keys, &session_data()]).await?;
    }
    for table in ["e2e_room_keys", "e2e_room_keys_versions", "access_tokens", "users"] {
        client.batch_execute(&format!("VACUUM ANALYZE {table}")).await?;
    }
    client.batch_execute("CHECKPOINT").await?;
    Ok(())
}

fn with_size((user, token): (String, String), size: usize) -> (String, String, usize) {
    (user, token, size)
}
