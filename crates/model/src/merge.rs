//! The rule that decides which of two keys for one session a backup keeps.
//!
//! It follows the specification ("Backup algorithm": `PUT /room_keys/keys`): a verified key beats an
//! unverified one; else the lower `first_message_index` wins; else the lower `forwarded_count`; and of
//! two equals the one that is there stays. Synapse replaces a key if *any* of the three is better, so
//! that an unverified key can displace a verified one.
//!
//! The same rule stands once more in the upload statement of the storage crate; property tests hold
//! the two together.

use crate::{SessionKey, UploadRow};

impl SessionKey {
    /// Whether a backup that holds `old` for this session puts this key in its place.
    pub fn replaces(&self, old: &Self) -> bool {
        self.rank() < old.rank()
    }

    /// The lower, the better.
    fn rank(&self) -> (bool, i32, i32) {
        (!self.is_verified, self.first_message_index, self.forwarded_count)
    }
}

/// What is left of several uploads if they are made one after another: of each session the key that a backup would keep.
///
/// Each upload is sorted by (room, session) and names a session once, and so does what is returned.
pub fn merged(uploads: impl IntoIterator<Item = Vec<UploadRow>>) -> Vec<UploadRow> {
    let mut uploads = uploads.into_iter();
    let mut rows = uploads.next().unwrap_or_default();
    let sorted = rows.len();
    rows.extend(uploads.flatten());
    if rows.len() == sorted {
        return rows;
    }
    // It is stable: keys of one session stay in the order in which they came.
    rows.sort_by(|left, right| left.place().cmp(&right.place()));
    rows.dedup_by(|later, kept| {
        let same = later.place() == kept.place();
        if same && later.key.replaces(&kept.key) {
            std::mem::swap(later, kept);
        }
        same
    });
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::JsonText;

    fn key(is_verified: bool, first_message_index: i32, forwarded_count: i32) -> SessionKey {
        let session_data = JsonText::new("{}").unwrap();
        SessionKey { first_message_index, forwarded_count, is_verified, session_data }
    }

    #[test]
    fn a_verified_key_replaces_an_unverified_one_whatever_its_indexes() {
        assert!(key(true, 9, 9).replaces(&key(false, 0, 0)));
        assert!(!key(false, 0, 0).replaces(&key(true, 9, 9)));
    }

    #[test]
    fn a_lower_first_message_index_counts_before_the_forwarded_count() {
        assert!(key(false, 1, 9).replaces(&key(false, 2, 0)));
        assert!(!key(false, 2, 0).replaces(&key(false, 1, 9)));
    }

    #[test]
    fn a_lower_forwarded_count_decides_between_equal_indexes() {
        assert!(key(true, 1, 0).replaces(&key(true, 1, 1)));
        assert!(!key(true, 1, 1).replaces(&key(true, 1, 0)));
    }

    #[test]
    fn an_equal_key_leaves_the_old_one_in_place() {
        assert!(!key(false, -1, i32::MAX).replaces(&key(false, -1, i32::MAX)));
    }
}
