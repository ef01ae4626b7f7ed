//! A look into the database, at all that there is of a user.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use key_backup_testkit::TestDatabase;

use crate::{
    Backup, Contents,
    call::Key,
    wire::{auth_data, place, session_data},
};

const VERSIONS: &str = "SELECT version, deleted, coalesce(etag, 0), auth_data FROM e2e_room_keys_versions WHERE user_id = $1 ORDER BY version";
const KEYS: &str =
    "SELECT version, room_id, session_id, NOT is_verified, first_message_index, forwarded_count, session_data
       FROM e2e_room_keys WHERE user_id = $1";

/// What there is while nobody writes.
///
/// # Errors
///
/// When it cannot be what the clients have sent: a mixture of keys, keys without a version, a gap in the numbers.
pub(crate) async fn backup(database: &TestDatabase, user: &str) -> Result<Backup> {
    let client = database.connect().await?;
    let mut backup = Backup::default();
    for row in client.query(VERSIONS, &[&user]).await? {
        let version = row.get::<_, i64>(0).unsigned_abs();
        ensure!(version == backup.highest + 1, "version {version} of {user} follows {}", backup.highest);
        backup.highest = version;
        if row.get::<_, i16>(1) == 0 {
            let auth_data = auth_data(&serde_json::from_str(row.get(3))?)?;
            let etag = row.get::<_, i64>(2).unsigned_abs();
            backup.versions.insert(version, Contents { etag, auth_data, ..Contents::default() });
        }
    }
    for row in client.query(KEYS, &[&user]).await? {
        let version = row.get::<_, i64>(0).unsigned_abs();
        let contents = backup.versions.get_mut(&version);
        let contents =
            contents.with_context(|| format!("keys of {user} in version {version}, which is gone"))?;
        let place = place(row.get(1), row.get(2))?;
        let key =
            Key { unverified: row.get(3), first_message_index: row.get(4), forwarded_count: row.get(5) };
        let data: String = row.get(6);
        let sent = serde_json::Value::from(session_data(place, key)).to_string();
        ensure!(data == sent, "{data} of {user} is not what was sent: {sent}");
        Arc::make_mut(&mut contents.keys).insert(place, key);
    }
    Ok(backup)
}
