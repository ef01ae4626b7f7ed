//! The merge rule against the specification's words, and what makes uploads safe to repeat and to reorder.

use std::collections::BTreeMap;

use key_backup_model::{JsonText, RoomId, SessionId, SessionKey, UploadRow, merge};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
};

use crate::config;

/// Numbers near each other, so that they are equal often, and the ends of the range.
fn number() -> impl Strategy<Value = i32> {
    prop_oneof![8 => 0..3, 1 => Just(i32::MIN), 1 => Just(i32::MAX)]
}

fn key() -> impl Strategy<Value = SessionKey> {
    (any::<bool>(), number(), number()).prop_map(|(is_verified, first_message_index, forwarded_count)| {
        let session_data = JsonText::new("{}").unwrap();
        SessionKey { first_message_index, forwarded_count, is_verified, session_data }
    })
}

/// The specification: verified first; "if they have the same values for `is_verified`, then" the lower index; then the lower count.
fn the_specification_replaces(new: &SessionKey, old: &SessionKey) -> bool {
    if new.is_verified != old.is_verified {
        new.is_verified
    } else if new.first_message_index == old.first_message_index {
        new.forwarded_count < old.forwarded_count
    } else {
        new.first_message_index < old.first_message_index
    }
}

/// What a backup holds once all keys have been uploaded for one session.
fn merged(keys: &[SessionKey]) -> Option<&SessionKey> {
    keys.iter().reduce(|old, new| if new.replaces(old) { new } else { old })
}

fn rows(upload: BTreeMap<u8, SessionKey>) -> Vec<UploadRow> {
    let row = |(session, key): (u8, SessionKey)| UploadRow {
        room_id: RoomId::from_column("!r"),
        session_id: SessionId::from_column(&session.to_string()),
        key,
    };
    upload.into_iter().map(row).collect()
}

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn it_is_the_specifications_rule(new in key(), old in key()) {
        prop_assert_eq!(new.replaces(&old), the_specification_replaces(&new, &old));
    }

    #[test]
    fn two_keys_never_replace_each_other(one in key(), other in key()) {
        prop_assert!(!(one.replaces(&other) && other.replaces(&one)));
    }

    #[test]
    fn the_order_of_uploads_does_not_matter(
        (keys, shuffled) in vec(key(), 1..8).prop_flat_map(|keys| (Just(keys.clone()), Just(keys).prop_shuffle())),
    ) {
        prop_assert_eq!(merged(&keys), merged(&shuffled));
    }

    #[test]
    fn uploading_everything_again_changes_nothing(keys in vec(key(), 1..8)) {
        let held = merged(&keys).unwrap();
        prop_assert!(!keys.iter().any(|key| key.replaces(held)));
    }

    #[test]
    fn uploads_that_are_merged_end_as_those_that_are_made_one_after_another(
        uploads in vec(btree_map(0..4_u8, key(), 0..5), 0..5),
    ) {
        let mut held = BTreeMap::<u8, SessionKey>::new();
        for (session, key) in uploads.iter().flatten() {
            if held.get(session).is_none_or(|old| key.replaces(old)) {
                held.insert(*session, key.clone());
            }
        }
        let merged = merge::merged(uploads.into_iter().map(rows));
        prop_assert_eq!(merged, rows(held));
    }
}
