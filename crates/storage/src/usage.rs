//! How much database work one request has caused, for the request log and the metrics by servlet.
//!
//! The figures are kept in a task-local, so that no method has to carry a parameter for them.

use std::{
    cell::Cell,
    future::Future,
    time::{Duration, Instant},
};

use key_backup_metrics::Work;

use crate::StorageError;

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

/// How long one request may wait for the database, with all of its transactions and for its turn: clients shall hear within 5 s that they
/// have to come again.
const LIMIT: Duration = Duration::from_secs(4);

/// What a database can be expected to take at least, in bytes a second.
const LEAST_RATE: u64 = 1_000_000;

tokio::task_local! {
    static USAGE: Cell<DatabaseUsage>;
    static ALLOWANCE: Cell<Duration>;
}

/// Runs `future` and says what database work it did itself; what it spawned is not counted.
pub async fn measured<F: Future>(future: F) -> (F::Output, DatabaseUsage) {
    let measured = async {
        let output = future.await;
        (output, USAGE.with(Cell::get))
    };
    let measured = USAGE.scope(Cell::new(DatabaseUsage::default()), measured);
    ALLOWANCE.scope(Cell::new(LIMIT), measured).await
}

/// Lets the measured future wait longer for the database, which has to take so many bytes more from it: clients send no more than a
/// tenth of a megabyte at once, but they might.
pub fn allow_for(bytes: usize) {
    let more = Duration::from_millis(bytes as u64 * 1000 / LEAST_RATE);
    let _ = ALLOWANCE.try_with(|allowance| allowance.set(allowance.get() + more));
}

/// Leaves the measured future as much less time for the database: it has waited for something before it could ask.
pub fn held_up_for(waited: Duration) {
    let less = |allowance: &Cell<Duration>| allowance.set(allowance.get().saturating_sub(waited));
    let _ = ALLOWANCE.try_with(less);
}

/// Waits for something that keeps the measured future from asking the database; see [`held_up_for`].
pub async fn held_up<F: Future>(future: F) -> F::Output {
    let started = Instant::now();
    let output = future.await;
    held_up_for(started.elapsed());
    output
}

/// How much of its time for the database the measured future has left; what is not measured begins anew each time.
pub(crate) fn remaining() -> Duration {
    let used = |sum: &Cell<DatabaseUsage>| sum.get().transaction_time + sum.get().connection_wait;
    let allowance = ALLOWANCE.try_with(Cell::get).unwrap_or(LIMIT);
    allowance.saturating_sub(USAGE.try_with(used).unwrap_or_default())
}

/// Waits for something that a change has to wait for before it asks the database: it counts as a wait for a connection.
///
/// # Errors
///
/// [`StorageError::Busy`] when the request's time for the database is over.
pub async fn patiently<F: Future>(desc: &'static str, future: F) -> Result<F::Output, StorageError> {
    let started = Instant::now();
    let output = in_time(desc, future).await;
    add(DatabaseUsage { connection_wait: started.elapsed(), ..DatabaseUsage::default() });
    output
}

/// The same for something that adds its own work to that of the request.
///
/// # Errors
///
/// As [`patiently`].
pub async fn in_time<F: Future>(desc: &'static str, future: F) -> Result<F::Output, StorageError> {
    tokio::time::timeout(remaining(), future).await.map_err(|_| StorageError::Busy { desc })
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
