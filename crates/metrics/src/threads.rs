//! The threads that serve requests.

use std::time::Duration;

use prometheus::{Error, Histogram, IntGauge};

use crate::family::{Registry, SHORT_BUCKETS, gauge, histogram_of};

/// How busy the HTTP threads are.
pub struct ThreadMetrics {
    /// HTTP threads, each with an event loop of its own.
    pub http_threads: IntGauge,
    delay: Histogram,
}

impl ThreadMetrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, Error> {
        let delay = "Seconds that an HTTP thread came late to what was due, measured four times a second in each: the wait of a request for its thread.";
        Ok(Self {
            http_threads: gauge(registry, "key_backup_http_threads", "Threads that serve requests.")?,
            delay: histogram_of(registry, "key_backup_http_thread_delay_seconds", delay, SHORT_BUCKETS)?,
        })
    }

    /// A thread came so late to what was due.
    pub fn delayed(&self, delay: Duration) {
        self.delay.observe(delay.as_secs_f64());
    }
}
