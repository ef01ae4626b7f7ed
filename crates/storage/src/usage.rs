//! How much database work one request has caused, for the request log and the metrics by servlet.
//!
//! The figures are kept in a task-local, so that no method has to carry a parameter for them.

use std::{cell::Cell, future::Future, time::Duration};

use key_backup_metrics::Work;

/// Database work of one measured future.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DatabaseUsage {
    /// Transactions that were run.
    pub transactions: u64,
    /// Time in them.
    pub transaction_time: Duration,
    /// Time spent waiting for a connection.
    pub connection_wait: Duration,
}

impl DatabaseUsage {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            transactions: self.transactions + other.transactions,
            transaction_time: self.transaction_time + other.transaction_time,
            connection_wait: self.connection_wait + other.connection_wait,
        }
    }
}

impl DatabaseUsage {
    /// What has been added since it was `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            transactions: self.transactions.saturating_sub(before.transactions),
            transaction_time: self.transaction_time.saturating_sub(before.transaction_time),
            connection_wait: self.connection_wait.saturating_sub(before.connection_wait),
        }
    }
}

impl From<DatabaseUsage> for Work {
    fn from(usage: DatabaseUsage) -> Self {
        let DatabaseUsage { transactions, transaction_time, connection_wait } = usage;
        Self { transactions, transaction_time, connection_wait, ..Self::default() }
    }
}

tokio::task_local! {
    static USAGE: Cell<DatabaseUsage>;
}

/// Runs `future` and says what database work it did itself; what it spawned is not counted.
pub async fn measured<F: Future>(future: F) -> (F::Output, DatabaseUsage) {
    let measured = async {
        let output = future.await;
        (output, USAGE.with(Cell::get))
    };
    USAGE.scope(Cell::new(DatabaseUsage::default()), measured).await
}

/// What the measured future that is running has done so far; nothing where none is.
pub fn used_so_far() -> DatabaseUsage {
    USAGE.try_with(Cell::get).unwrap_or_default()
}

/// Adds to the figures of the measured future that is running, if there is one.
pub(crate) fn add(usage: DatabaseUsage) {
    // Work outside of a request (the check at start) is measured by nobody.
    let _ = USAGE.try_with(|sum| sum.set(sum.get().plus(usage)));
}
