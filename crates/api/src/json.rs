//! JSON written straight into the bytes of an answer.

use key_backup_storage::StoredKey;
use serde::Serialize;

/// Writes a string with its quotes.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    // Writing to a Vec cannot fail, and neither can turning a string into JSON.
    let _ = serde_json::to_writer(out, text);
}

/// Writes a key as clients read it (`KeyBackupData`), `session_data` as it is stored.
pub(crate) fn key(out: &mut Vec<u8>, key: &StoredKey<'_>) {
    out.extend_from_slice(b"{\"first_message_index\":");
    value(out, key.first_message_index);
    out.extend_from_slice(b",\"forwarded_count\":");
    value(out, key.forwarded_count);
    out.extend_from_slice(b",\"is_verified\":");
    value(out, key.is_verified);
    out.extend_from_slice(b",\"session_data\":");
    out.extend_from_slice(key.session_data);
    out.push(b'}');
}

fn value(out: &mut Vec<u8>, value: impl Serialize) {
    let _ = serde_json::to_writer(out, &value);
}
