//! Moments, as Prometheus likes them: seconds since 1970, whose age the query computes.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::IntGauge;

/// When something last happened; 0 if it never has.
#[derive(Clone)]
pub struct TimestampGauge {
    gauge: IntGauge,
}

impl TimestampGauge {
    pub(crate) fn new(gauge: IntGauge) -> Self {
        Self { gauge }
    }

    /// It happens now.
    pub fn touch(&self) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.gauge.set(i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
    }
}
