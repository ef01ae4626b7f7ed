//! The connections, divided among the threads that serve requests.
//!
//! A connection is served by the thread that opened it. So each thread has a pool of its own: no query has to cross from one
//! thread to another, and when a thread ends it takes only its own connections with it.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, ThreadId},
};

use deadpool_postgres::Pool;
use key_backup_metrics::{Metrics, PoolStatus};

use crate::{ConnectError, Database, DatabaseSettings, pool::PoolFactory};

/// Gives each thread its part of the connections; together they never have more than Synapse's `cp_max`, one of which is
/// kept for the worker's own checks.
pub struct Databases {
    factory: PoolFactory,
    shares: Vec<usize>,
    checks: Option<Pool>,
    metrics: Arc<Metrics>,
    threads: Mutex<HashMap<ThreadId, Database>>,
}

impl Databases {
    /// Prepares for at most that many threads; nothing is opened yet.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] if the settings cannot be used, for one because a certificate cannot be read.
    pub fn new(
        settings: &DatabaseSettings,
        threads: NonZeroUsize,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ConnectError> {
        let factory = PoolFactory::new(settings)?;
        // With a single connection the checks have to be made on that of the requests.
        let has_checks = settings.max_connections > 1;
        let checks = has_checks.then(|| factory.pool(1));
        let shares = shares(settings.max_connections - usize::from(has_checks), threads);
        Ok(Self { factory, shares, checks, metrics, threads: Mutex::default() })
    }

    /// How many threads there may be: each needs a connection.
    pub fn threads(&self) -> usize {
        self.shares.len()
    }

    /// The database for the calling thread; each thread gets the same one however often it asks.
    pub fn of_this_thread(&self) -> Database {
        let mut threads = self.begun();
        let share = self.shares[threads.len() % self.shares.len()];
        let begin = || Database::new(self.factory.pool(share), Arc::clone(&self.metrics));
        threads.entry(thread::current().id()).or_insert_with(begin).clone()
    }

    /// The database for the worker's own checks, on a connection for which requests never wait. `None` where `cp_max` leaves
    /// only one for everything.
    pub fn for_checks(&self) -> Option<Database> {
        self.checks.as_ref().map(|pool| Database::new(pool.clone(), Arc::clone(&self.metrics)))
    }

    /// Brings the gauges of the pools up to date, for a scrape.
    pub fn observe_pools(&self) {
        let mut sum = PoolStatus::default();
        let threads = self.begun();
        for status in
            threads.values().map(Database::pool_status).chain(self.checks.as_ref().map(Pool::status))
        {
            sum.open += status.size;
            sum.idle += status.available;
            sum.waiting += status.waiting;
            sum.max += status.max_size;
        }
        self.metrics.storage.observe_pools(sum);
    }

    fn begun(&self) -> MutexGuard<'_, HashMap<ThreadId, Database>> {
        // A thread that panicked here cannot have left the map half changed.
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Divides the connections as evenly as possible among as many threads as can have one each.
fn shares(connections: usize, threads: NonZeroUsize) -> Vec<usize> {
    let threads = threads.get().min(connections).max(1);
    (0..threads)
        .map(|thread| (connections / threads + usize::from(thread < connections % threads)).max(1))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_all_threads_make_up_the_connections() {
        for (connections, threads, expected) in
            [(10, 2, &[5, 5][..]), (5, 3, &[2, 2, 1]), (1, 1, &[1]), (2, 8, &[1, 1]), (0, 2, &[1])]
        {
            assert_eq!(shares(connections, NonZeroUsize::new(threads).unwrap()), expected);
        }
    }
}
