//! What the log is told of a service that fails: a line at the first failure, and then one a minute.

use std::{
    mem,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use key_backup_storage::chain;

use super::MasError;

/// From a line to the next one.
const PAUSE: Duration = Duration::from_mins(1);

/// The failures that the log has not been told of.
#[derive(Default)]
pub(super) struct Failures(Mutex<Untold>);

#[derive(Default)]
struct Untold {
    told: Option<Instant>,
    failures: u64,
}

impl Failures {
    /// A request could not be let in for this.
    pub(super) fn add(&self, error: &MasError) {
        let mut untold = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if untold.told.is_some_and(|told| told.elapsed() < PAUSE) {
            untold.failures += 1;
            return;
        }
        untold.told = Some(Instant::now());
        let others = mem::take(&mut untold.failures);
        tracing::error!(
            "{}. Requests with tokens that it has not vouched for are answered with 503; {others} more since the last such line",
            chain(error)
        );
    }
}
