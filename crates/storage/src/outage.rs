//! Outages: noticed by the first query that fails, confirmed and ended by probes, told in the log twice, and met with quick refusals
//! while they last.
//!
//! A query that fails for want of PostgreSQL raises a suspicion, and a probe is made at once, on a new connection. While probes fail, queries
//! are refused without being tried: nobody waits for a server that is known to be away. A suspicion that probes don't confirm (one connection
//! broke, or a single query took too long) only ends once nothing has failed for a while.

use std::{
    fmt::Display,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Notify, watch};

use crate::StorageError;

/// An outage that no probe confirms is over when nothing has failed for so long: longer than a query may take.
const QUIET: Duration = Duration::from_secs(5);

/// What a probe found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    /// PostgreSQL takes reads and writes.
    Writable,
    /// It answers, and takes no writes: a standby, or an administrator's wish.
    ReadOnly,
    /// It cannot be reached, or does not answer.
    Away,
}

/// What is known of the database's health. All threads share it.
pub(crate) struct Outages {
    /// The last probe said [`Probe::Away`].
    is_away: AtomicBool,
    current: Mutex<Option<Outage>>,
    suspicion: Notify,
    /// When a query was last answered, in milliseconds since `started`.
    last_success: AtomicU64,
    started: Instant,
    /// Connections that were opened before this moment may be dead without a sign of it.
    trusted_since: watch::Sender<Instant>,
    /// The same, as far as probes have confirmed an outage: such connections lead nowhere.
    lost_until: watch::Sender<Instant>,
}

/// From the first failure on.
struct Outage {
    began: Instant,
    last_failure: Instant,
    failures: u64,
    last_probe: Option<Probe>,
    /// A probe has found PostgreSQL away or read-only.
    confirmed: bool,
}

impl Default for Outages {
    fn default() -> Self {
        Self {
            is_away: AtomicBool::new(false),
            current: Mutex::new(None),
            suspicion: Notify::new(),
            last_success: AtomicU64::new(0),
            started: Instant::now(),
            trusted_since: watch::Sender::new(Instant::now()),
            lost_until: watch::Sender::new(Instant::now()),
        }
    }
}

impl Outages {
    /// Whether PostgreSQL does all that is asked of it, as far as is known.
    pub(crate) fn is_well(&self) -> bool {
        let current = self.current();
        let last_probe = current.as_ref().and_then(|outage| outage.last_probe);
        !matches!(last_probe, Some(Probe::Away | Probe::ReadOnly))
    }

    /// Refuses a query while the server is known to be away.
    pub(crate) fn refuse(&self, desc: &'static str) -> Result<(), StorageError> {
        if !self.is_away.load(Ordering::Relaxed) {
            return Ok(());
        }
        if let Some(outage) = self.current().as_mut() {
            outage.failures += 1;
        }
        Err(StorageError::Unavailable { desc, source: Arc::new(io::Error::other("it is known to be away")) })
    }

    /// A query failed for want of PostgreSQL.
    pub(crate) fn failed(&self, cause: &dyn Display) {
        let now = Instant::now();
        let mut current = self.current();
        if let Some(outage) = current.as_mut() {
            outage.failures += 1;
            outage.last_failure = now;
            return;
        }
        tracing::error!("PostgreSQL is not available: {cause}. Requests that need it are answered with 503");
        *current =
            Some(Outage { began: now, last_failure: now, failures: 1, last_probe: None, confirmed: false });
        self.suspicion.notify_one();
    }

    /// A query was answered.
    pub(crate) fn succeeded(&self) {
        self.last_success.fetch_max(self.millis(Instant::now()), Ordering::Relaxed);
    }

    fn millis(&self, moment: Instant) -> u64 {
        u64::try_from((moment - self.started).as_millis()).unwrap_or(u64::MAX)
    }

    /// Waits for the next outage.
    pub(crate) async fn next(&self) {
        self.suspicion.notified().await;
    }

    /// Takes the result of a probe that was begun at `begun`. Returns whether the outage is over.
    pub(crate) fn probed(&self, probe: Probe, begun: Instant) -> bool {
        let mut current = self.current();
        let Some(outage) = current.as_mut() else { return true };
        // A server that answers others is not away, only too busy for a new connection.
        let answers = self.last_success.load(Ordering::Relaxed) > self.millis(begun);
        let probe = if probe == Probe::Away && answers { Probe::Writable } else { probe };
        let changed = outage.last_probe != Some(probe);
        outage.last_probe = Some(probe);
        outage.confirmed |= probe != Probe::Writable;
        self.is_away.store(probe == Probe::Away, Ordering::Relaxed);
        if changed {
            // Idle connections lead to where the server was: they are replaced when they are needed next.
            self.trusted_since.send_replace(begun);
            if outage.confirmed {
                self.lost_until.send_replace(begun);
            }
        }
        let over = probe == Probe::Writable && (outage.confirmed || outage.last_failure.elapsed() > QUIET);
        if over {
            let lasted =
                if outage.confirmed { outage.began.elapsed() } else { outage.last_failure - outage.began };
            tracing::warn!(
                "PostgreSQL is available again after {:.1} s; {} queries failed meanwhile",
                lasted.as_secs_f64(),
                outage.failures
            );
            *current = None;
        }
        over
    }

    /// Whether a connection that was opened then is younger than the last change of the server's state.
    pub(crate) fn trusts(&self, opened: Instant) -> bool {
        opened >= *self.trusted_since.borrow()
    }

    /// Waits until a connection that was opened then is not trusted any more.
    pub(crate) async fn distrusts(&self, opened: Instant) {
        passes(&self.trusted_since, opened).await;
    }

    /// Waits until a connection that was opened then is older than a confirmed change of the server's state.
    pub(crate) async fn loses(&self, opened: Instant) {
        passes(&self.lost_until, opened).await;
    }

    fn current(&self) -> MutexGuard<'_, Option<Outage>> {
        // A thread that panicked here cannot have left it half changed.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until a limit is later than that moment.
async fn passes(limit: &watch::Sender<Instant>, moment: Instant) {
    // The sender lives as long as the borrow.
    let _ = limit.subscribe().wait_for(|limit| moment < *limit).await;
}
