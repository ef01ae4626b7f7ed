//! How often a user may ask: Synapse's kind of limit, with a rate and a burst.

use std::time::Duration;

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

use super::Rate;

/// What one user has left. A few bytes, without a timer.
pub(crate) struct Bucket {
    limiter: DefaultDirectRateLimiter,
    clock: DefaultClock,
}

impl Bucket {
    /// A full one.
    pub(crate) fn new(rate: Rate) -> Self {
        let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst_count);
        let clock = DefaultClock::default();
        Self { limiter: RateLimiter::direct_with_clock(quota, clock.clone()), clock }
    }

    /// Takes one.
    ///
    /// # Errors
    ///
    /// How long to wait until there is one again.
    pub(crate) fn take(&self) -> Result<(), Duration> {
        self.limiter.check().map_err(|until| until.wait_time_from(self.clock.now()))
    }
}
