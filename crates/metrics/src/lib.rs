//! Every metric of the worker as a field with its help text; one registry per instance of the worker.
//!
//! Names, labels and buckets are those of a Synapse worker wherever Synapse has the metric, so that the
//! stock Grafana dashboard shows this worker beside Synapse's own. What Synapse has no name for begins
//! with `key_backup_`.

mod auth;
mod cache;
mod family;
mod http;
mod limits;
mod process;
mod storage;

use std::collections::HashMap;

use prometheus::{Encoder, Registry, TextEncoder};

pub use auth::AuthMetrics;
pub use cache::{CacheMetrics, LookUp};
pub use http::{HttpMetrics, Served};
pub use limits::LimitMetrics;
pub use process::ProcessMetrics;
pub use prometheus::Error;
pub use storage::StorageMetrics;

/// All metrics of one worker.
pub struct Metrics {
    /// Requests and answers.
    pub http: HttpMetrics,
    /// Queries, transactions and connections.
    pub storage: StorageMetrics,
    /// Caches, Redis and replication.
    pub cache: CacheMetrics,
    /// Questions to the Matrix Authentication Service.
    pub auth: AuthMetrics,
    /// Refusals and connections.
    pub limits: LimitMetrics,
    synapse: Registry,
    process: Registry,
}

impl Metrics {
    /// Registers every metric. All but those of the process carry the label `server_name`, as Synapse's do.
    ///
    /// # Errors
    ///
    /// [`Error`] if two metrics have one name, which is a mistake in this crate.
    pub fn new(server_name: &str) -> Result<Self, Error> {
        let labels = HashMap::from([("server_name".to_owned(), server_name.to_owned())]);
        let synapse = Registry::new_custom(None, Some(labels))?;
        let process = Registry::new();
        ProcessMetrics::register(&synapse, &process)?;
        Ok(Self {
            http: HttpMetrics::new(&synapse)?,
            storage: StorageMetrics::new(&synapse)?,
            cache: CacheMetrics::new(&synapse)?,
            auth: AuthMetrics::new(&synapse)?,
            limits: LimitMetrics::new(&synapse)?,
            synapse,
            process,
        })
    }

    /// Everything in the text format that Prometheus scrapes (version 0.0.4).
    ///
    /// # Errors
    ///
    /// [`Error`] if a metric has no name or no values, which is a mistake in this crate.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut families = self.synapse.gather();
        families.extend(self.process.gather());
        let mut text = Vec::with_capacity(32 * 1024);
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(text)
    }
}
