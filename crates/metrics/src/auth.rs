//! Who may enter: questions to the Matrix Authentication Service, under Synapse's name for them.

use std::time::Duration;

use prometheus::{Error, HistogramVec};

use crate::family::{Registry, histograms};

/// Measures what is asked of others before a request is let in.
pub struct AuthMetrics {
    introspection: HistogramVec,
}

impl AuthMetrics {
    #[rustfmt::skip]
    pub(crate) fn new(registry: &Registry) -> Result<Self, Error> {
        Ok(Self {
            introspection: histograms(registry, "synapse_api_auth_delegated_introspection_response", "Time until the Matrix Authentication Service has answered about a token.", &["code"])?,
        })
    }

    /// A question ended after `time`: `code` is the status of the answer, or `ERR` where there was no whole one.
    pub fn introspected(&self, code: &str, time: Duration) {
        self.introspection.with_label_values(&[code]).observe(time.as_secs_f64());
    }
}
