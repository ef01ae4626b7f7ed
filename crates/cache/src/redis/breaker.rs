//! A circuit breaker: leaves a dead Redis alone.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// How long a Redis that failed is left alone before one request tries it again.
const REST: Duration = Duration::from_secs(1);

/// Lets everything pass while it is closed; while it is open, one request each [`REST`].
pub(super) struct Breaker {
    born: Instant,
    /// Milliseconds after `born`; 0 while closed.
    closed_again: AtomicU64,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self { born: Instant::now(), closed_again: AtomicU64::new(0) }
    }

    pub(super) fn lets_pass(&self) -> bool {
        self.lets_pass_at(self.born.elapsed())
    }

    pub(super) fn open(&self) {
        self.open_at(self.born.elapsed());
    }

    pub(super) fn close(&self) {
        self.closed_again.store(0, Ordering::Relaxed);
    }

    fn lets_pass_at(&self, now: Duration) -> bool {
        let closed_again = self.closed_again.load(Ordering::Relaxed);
        if closed_again == 0 {
            return true;
        }
        // Whoever moves the time first is the one that tries.
        milliseconds(now) >= closed_again
            && self
                .closed_again
                .compare_exchange(
                    closed_again,
                    milliseconds(now + REST),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
    }

    fn open_at(&self, now: Duration) {
        self.closed_again.store(milliseconds(now + REST), Ordering::Relaxed);
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(1);
    const BEFORE_TWO_RESTS: Duration = Duration::from_millis(1999);

    #[test]
    fn everything_passes_until_something_fails() {
        let breaker = Breaker::new();
        assert!(breaker.lets_pass_at(Duration::ZERO) && breaker.lets_pass_at(Duration::ZERO));
        breaker.open_at(Duration::ZERO);
        assert!(!breaker.lets_pass_at(SOON));
    }

    #[test]
    fn after_a_rest_one_request_tries_and_the_others_go_on_resting() {
        let breaker = Breaker::new();
        breaker.open_at(Duration::ZERO);
        assert!(breaker.lets_pass_at(REST), "the one that tries");
        assert!(!breaker.lets_pass_at(REST), "the others");
        assert!(!breaker.lets_pass_at(BEFORE_TWO_RESTS), "nobody has heard of the first one");
        assert!(breaker.lets_pass_at(REST * 2), "the next one that tries");
    }

    #[test]
    fn a_success_lets_everything_pass_again() {
        let breaker = Breaker::new();
        breaker.open_at(Duration::ZERO);
        assert!(breaker.lets_pass_at(REST));
        breaker.close();
        assert!(breaker.lets_pass_at(REST) && breaker.lets_pass_at(REST));
    }
}
