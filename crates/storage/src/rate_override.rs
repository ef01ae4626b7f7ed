//! Exceptions from rate limits: Synapse's table `ratelimit_override`, which its admin API writes.

use key_backup_model::UserId;

use crate::{Database, StorageError, database::Query};

/// What an administrator allows a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateOverride {
    /// `messages_per_second`; zero is no limit, as in Synapse.
    pub messages_per_second: u32,
    /// `burst_count`.
    pub burst_count: u32,
}

const GET: Query = Query {
    desc: "get_ratelimit_for_user",
    verb: "SELECT",
    sql: "SELECT coalesce(messages_per_second, 0), coalesce(burst_count, 0) FROM ratelimit_override WHERE user_id = $1",
};

impl Database {
    /// The exception for a user, if there is one.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub async fn rate_override(&self, user: &UserId) -> Result<Option<RateOverride>, StorageError> {
        let rows = self.read(GET, &[&user.as_str()]).await?;
        // What does not fit is more than any rate.
        let number = |value: i64| u32::try_from(value.max(0)).unwrap_or(u32::MAX);
        Ok(rows.first().map(|row| RateOverride {
            messages_per_second: number(row.get(0)),
            burst_count: number(row.get(1)),
        }))
    }
}
