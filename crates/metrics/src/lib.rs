//! Every metric of the worker as a field with its help text; one registry per instance of the worker.
//!
//! Names, labels and buckets are those of a Synapse worker wherever Synapse has the metric, so that the
//! stock Grafana dashboard shows this worker beside Synapse's own. What Synapse has no name for begins
//! with `key_backup_`. `docs/metrics.md` is made from what is registered here.

mod auth;
mod background;
mod blocks;
mod cache;
mod caches;
mod cpu;
mod family;
mod http;
mod limits;
mod operations;
mod process;
mod replication;
mod storage;
mod threads;
mod timestamp;
mod work;

use prometheus::{Encoder, TextEncoder};

use family::Registry;
use process::ProcessMetrics;

pub use auth::AuthMetrics;
pub use background::{BackgroundMetrics, BackgroundProcess};
pub use blocks::{Block, BlockInFlight, BlockMetrics};
pub use cache::{CacheMetrics, Layer, LookUp};
pub use caches::{CacheGauges, Eviction};
pub use cpu::{CpuTime, metered, timed};
pub use family::Description;
pub use http::{HttpMetrics, RequestMetrics};
pub use limits::LimitMetrics;
pub use operations::{OperationMetrics, RestoreOutcome, Uploaded};
pub use prometheus::Error;
pub use replication::ReplicationMetrics;
pub use storage::{PoolStatus, StorageMetrics};
pub use threads::ThreadMetrics;
pub use timestamp::TimestampGauge;
pub use work::Work;

/// All metrics of one worker.
pub struct Metrics {
    /// Requests and answers.
    pub http: HttpMetrics,
    /// Operations and the keys that they move.
    pub operations: OperationMetrics,
    /// Parts of requests.
    pub blocks: BlockMetrics,
    /// Queries, transactions and connections.
    pub storage: StorageMetrics,
    /// Caches and Redis.
    pub cache: CacheMetrics,
    /// What is heard from and said to Synapse.
    pub replication: ReplicationMetrics,
    /// Questions to the Matrix Authentication Service.
    pub auth: AuthMetrics,
    /// What runs besides requests.
    pub background: BackgroundMetrics,
    /// The threads that serve requests.
    pub threads: ThreadMetrics,
    /// Refusals and connections.
    pub limits: LimitMetrics,
    process: ProcessMetrics,
    of_server: Registry,
    of_process: Registry,
}

impl Metrics {
    /// Registers every metric. All but those of the process carry the label `server_name`, as Synapse's do.
    ///
    /// # Errors
    ///
    /// [`Error`] if two metrics have one name, which is a mistake in this crate.
    pub fn new(server_name: &str) -> Result<Self, Error> {
        let registry = Registry::new(Some(server_name))?;
        let of_process = Registry::new(None)?;
        Ok(Self {
            http: HttpMetrics::new(&registry)?,
            operations: OperationMetrics::new(&registry)?,
            blocks: BlockMetrics::new(&registry)?,
            storage: StorageMetrics::new(&registry)?,
            cache: CacheMetrics::new(&registry)?,
            replication: ReplicationMetrics::new(&registry)?,
            auth: AuthMetrics::new(&registry)?,
            background: BackgroundMetrics::new(&registry)?,
            threads: ThreadMetrics::new(&registry)?,
            limits: LimitMetrics::new(&registry)?,
            process: ProcessMetrics::new(&registry, &of_process)?,
            of_server: registry,
            of_process,
        })
    }

    /// Every metric that there is, sorted by name.
    pub fn descriptions(&self) -> Vec<Description> {
        let mut all = self.of_server.descriptions();
        all.extend(self.of_process.descriptions());
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// Everything in the text format that Prometheus scrapes (version 0.0.4).
    ///
    /// # Errors
    ///
    /// [`Error`] if a metric has no name or no values, which is a mistake in this crate.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        self.process.observe();
        let mut families = self.of_server.gather();
        families.extend(self.of_process.gather());
        let mut text = Vec::with_capacity(64 * 1024);
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(text)
    }
}
