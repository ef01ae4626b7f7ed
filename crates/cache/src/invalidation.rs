//! What Synapse's invalidation rows mean for this worker.

use key_backup_model::UserId;

/// Synapse's functions whose caches hold what this worker remembers, too.
pub const CACHE_FUNCTIONS: [&str; 8] = [
    "get_user_by_access_token",
    "get_user_by_id",
    "get_user_locked_status",
    "get_user_deactivated_status",
    "is_guest",
    "get_expiration_ts_for_user",
    "get_device",
    // Not a function: Synapse says by it that a room was deleted, and its keys with it.
    "dr_cache_fake",
];

/// What may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invalidation {
    /// One access token.
    Token(String),
    /// Something about a user: locked, guest, a device.
    User(UserId),
    /// A user was deactivated or is active again: then the backups are gone, too.
    Account(UserId),
    /// Everything about tokens and users.
    Everything,
    /// A room was deleted, and keys of it from any backup, without a new etag.
    RoomDeleted,
}

impl Invalidation {
    /// Reads a row: a function and the arguments for which its result may have changed, `None` for all.
    ///
    /// `None` for what does not concern this worker.
    pub fn of_row<'a>(
        function: &str,
        mut keys: Option<impl Iterator<Item = Option<&'a str>>>,
    ) -> Option<Self> {
        if !CACHE_FUNCTIONS.contains(&function) {
            return None;
        }
        let first = keys.as_mut().and_then(Iterator::next).flatten();
        Some(match (function, first) {
            ("dr_cache_fake", _) => Self::RoomDeleted,
            // A key that is no text would be something new: better to forget too much.
            (_, None) => Self::Everything,
            ("get_user_by_access_token", Some(token)) => Self::Token(token.to_owned()),
            ("get_user_deactivated_status", Some(user)) => Self::Account(UserId::from_column(user)),
            (_, Some(user)) => Self::User(UserId::from_column(user)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_row(function: &str, keys: &[&'static str]) -> Option<Invalidation> {
        Invalidation::of_row(function, Some(keys.iter().map(|key| Some(*key))))
    }

    #[test]
    fn rows_name_a_token_a_user_or_everything() {
        let alice = UserId::new("@a:s").unwrap();
        assert_eq!(of_row("get_user_by_access_token", &["t"]), Some(Invalidation::Token("t".to_owned())));
        assert_eq!(of_row("get_device", &["@a:s", "DEVICE"]), Some(Invalidation::User(alice.clone())));
        assert_eq!(of_row("get_user_deactivated_status", &["@a:s"]), Some(Invalidation::Account(alice)));
        let all: Option<std::iter::Empty<Option<&str>>> = None;
        assert_eq!(Invalidation::of_row("is_guest", all), Some(Invalidation::Everything));
    }

    #[test]
    fn rows_of_other_caches_mean_nothing_here() {
        assert_eq!(of_row("get_latest_event_ids_in_room", &["!r"]), None);
        assert_eq!(of_row("cs_cache_fake", &["!r"]), None);
    }
}
