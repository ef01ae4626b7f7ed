//! The connections, divided among the threads that serve requests.
//!
//! A connection is served by the thread that opened it. So each thread has a pool of its own: no query has to cross from one
//! thread to another, and when a thread ends it takes only its own connections with it.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use deadpool_postgres::{Object, Pool};
use key_backup_metrics::{Metrics, PoolStatus};
use tokio::{sync::Semaphore, time::timeout};
use tokio_postgres::SimpleQueryMessage;

use crate::{
    ConnectError, Database, DatabaseSettings,
    lease::Surroundings,
    outage::{Outages, Probe},
    pool::PoolFactory,
};

/// How long a probe may take.
const PROBE_LIMIT: Duration = Duration::from_millis(1400);

/// How long after a probe the next one is made.
const BETWEEN_PROBES: Duration = Duration::from_millis(250);

/// Gives each thread its part of the connections; together they never have more than Synapse's `cp_max`, one of which is
/// kept for the worker's own checks. Probes, which are made only while something is wrong, come on top, one at a time.
pub struct Databases {
    factory: PoolFactory,
    shares: Vec<usize>,
    checks: Option<Pool>,
    /// Makes the connections of probes: these must not wait for anything that may itself be held up.
    probes: Pool,
    surroundings: Arc<Surroundings>,
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
        let outages = Arc::new(Outages::default());
        let probes = factory.pool(1, &outages);
        let checks = has_checks.then(|| factory.pool(1, &outages));
        let shares = shares(settings.max_connections - usize::from(has_checks), threads);
        let abandoned = Arc::new(Semaphore::new(settings.max_connections));
        let surroundings = Arc::new(Surroundings { outages, abandoned, connector: factory.connector() });
        Ok(Self { factory, shares, checks, probes, surroundings, metrics, threads: Mutex::default() })
    }

    /// How many threads there may be: each needs a connection.
    pub fn threads(&self) -> usize {
        self.shares.len()
    }

    /// The database for the calling thread; each thread gets the same one however often it asks.
    pub fn of_this_thread(&self) -> Database {
        let mut threads = self.begun();
        let share = self.shares[threads.len() % self.shares.len()];
        let begin = || self.database(&self.factory.pool(share, &self.surroundings.outages));
        threads.entry(thread::current().id()).or_insert_with(begin).clone()
    }

    /// The database for the worker's own checks, on a connection for which requests never wait. `None` where `cp_max` leaves
    /// only one for everything.
    pub fn for_checks(&self) -> Option<Database> {
        self.checks.as_ref().map(|pool| self.database(pool))
    }

    /// Whether PostgreSQL takes reads and writes, as far as is known.
    pub fn is_well(&self) -> bool {
        self.surroundings.outages.is_well()
    }

    /// Follows outages from their first failure to their end, for ever. Somebody has to run it: without it nobody notices that an outage is over.
    pub async fn follow_outages(&self) {
        let outages = &self.surroundings.outages;
        loop {
            outages.next().await;
            let mut begun = Instant::now();
            while !outages.probed(probe(&self.probes).await, begun) {
                self.forget_distrusted();
                tokio::time::sleep(BETWEEN_PROBES).await;
                begun = Instant::now();
            }
        }
    }

    /// Ends idle connections that would not be handed out again: the server may have none to spare for the next probe.
    fn forget_distrusted(&self) {
        let threads = self.begun();
        for pool in threads.values().map(Database::pool).chain(&self.checks) {
            pool.retain(|_, metrics| self.surroundings.outages.trusts(metrics.created));
        }
    }

    fn database(&self, pool: &Pool) -> Database {
        Database::new(pool.clone(), Arc::clone(&self.surroundings), Arc::clone(&self.metrics))
    }

    /// Brings the gauges of the pools up to date, for a scrape.
    pub fn observe_pools(&self) {
        let mut sum = PoolStatus::default();
        let threads = self.begun();
        for status in threads.values().map(Database::pool).chain(&self.checks).map(Pool::status) {
            sum.open += status.size;
            sum.idle += status.available;
            sum.waiting += status.waiting;
            sum.max += status.max_size;
        }
        self.metrics.storage.observe_pools(sum);
        self.metrics.limits.database(self.is_well());
    }

    fn begun(&self) -> MutexGuard<'_, HashMap<ThreadId, Database>> {
        // A thread that panicked here cannot have left the map half changed.
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the server on a new connection, which is not kept: an old one may be dead, or lead elsewhere.
async fn probe(pool: &Pool) -> Probe {
    let ask = async {
        let client = Object::take(pool.get().await.ok()?);
        client.simple_query("SHOW transaction_read_only").await.ok()
    };
    let Ok(Some(answer)) = timeout(PROBE_LIMIT, ask).await else { return Probe::Away };
    let read_only = answer.iter().any(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0) == Some("on"),
        _ => false,
    });
    if read_only { Probe::ReadOnly } else { Probe::Writable }
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
