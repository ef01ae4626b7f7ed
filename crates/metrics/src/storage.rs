//! Queries, transactions and connections of PostgreSQL.

use std::time::Duration;

use prometheus::{CounterVec, Error, Histogram, HistogramVec, IntCounterVec, IntGauge};

use crate::{
    TimestampGauge,
    family::{
        NUMBER_BUCKETS, Registry, counters, gauge, gauges, histogram, histogram_of, histograms, seconds,
        timestamp,
    },
};

/// Counts what the storage does, under Synapse's names where it has them.
pub struct StorageMetrics {
    schedule_time: Histogram,
    query_time: HistogramVec,
    transactions: IntCounterVec,
    transaction_time: CounterVec,
    last_success: TimestampGauge,
    errors: IntCounterVec,
    retries: IntCounterVec,
    batch_uploads: Histogram,
    batch_keys: Histogram,
    connections: IntGauge,
    connections_idle: IntGauge,
    connections_waited_for: IntGauge,
    connections_max: IntGauge,
    threads: Threads,
}

/// The connections once more, as Synapse shows its own: each of them is a thread there.
struct Threads {
    working: IntGauge,
    total: IntGauge,
    min: IntGauge,
    max: IntGauge,
}

/// The connections of all pools.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Open.
    pub open: usize,
    /// Open, and used by nobody.
    pub idle: usize,
    /// Requests that wait for one.
    pub waiting: usize,
    /// How many there may be.
    pub max: usize,
}

impl StorageMetrics {
    #[rustfmt::skip]
    pub(crate) fn new(registry: &Registry) -> Result<Self, Error> {
        Ok(Self {
            schedule_time: histogram(registry, "synapse_storage_schedule_time", "Seconds spent waiting for a connection.")?,
            query_time: histograms(registry, "synapse_storage_query_time", "Seconds until a query was answered.", &["verb"])?,
            transactions: counters(registry, "synapse_storage_transaction_time_count_total", "Transactions.", &["desc"])?,
            transaction_time: seconds(registry, "synapse_storage_transaction_time_sum_total", "Seconds in transactions.", &["desc"])?,
            last_success: timestamp(registry, "key_backup_storage_last_success_timestamp_seconds", "When a transaction last succeeded; 0 if none has.")?,
            errors: counters(registry, "key_backup_storage_errors_total", "Transactions that failed for good, by what failed.", &["desc", "kind"])?,
            retries: counters(registry, "key_backup_storage_retries_total", "Transactions that were tried again after a conflict with another.", &["desc"])?,
            batch_uploads: histogram_of(registry, "key_backup_storage_batch_uploads", "Uploads that shared a statement and its commit.", NUMBER_BUCKETS)?,
            batch_keys: histogram_of(registry, "key_backup_storage_batch_keys", "Keys that such a statement was given.", NUMBER_BUCKETS)?,
            connections: gauge(registry, "key_backup_storage_connections", "Connections to PostgreSQL that are open.")?,
            connections_idle: gauge(registry, "key_backup_storage_connections_idle", "Connections to PostgreSQL that nobody uses.")?,
            connections_waited_for: gauge(registry, "key_backup_storage_connections_waited_for", "Requests that wait for a connection.")?,
            connections_max: gauge(registry, "key_backup_storage_connections_max", "How many connections to PostgreSQL there may be.")?,
            threads: Threads::new(registry)?,
        })
    }

    /// A connection was handed out after that wait.
    pub fn scheduled(&self, wait: Duration) {
        self.schedule_time.observe(wait.as_secs_f64());
    }

    /// A transaction has ended, well or not; `verb` is that of its main statement.
    pub fn transaction(&self, desc: &str, verb: &str, time: Duration) {
        self.query_time.with_label_values(&[verb]).observe(time.as_secs_f64());
        self.transactions.with_label_values(&[desc]).inc();
        self.transaction_time.with_label_values(&[desc]).inc_by(time.as_secs_f64());
    }

    /// A transaction has ended well.
    pub fn succeeded(&self) {
        self.last_success.touch();
    }

    /// A transaction failed for good.
    pub fn failed(&self, desc: &str, kind: &str) {
        self.errors.with_label_values(&[desc, kind]).inc();
    }

    /// A transaction is tried once more.
    pub fn retried(&self, desc: &str) {
        self.retries.with_label_values(&[desc]).inc();
    }

    /// So many uploads, with so many keys in all, have shared a statement.
    pub fn batch(&self, uploads: usize, keys: usize) {
        let number = |number| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
        self.batch_uploads.observe(number(uploads));
        self.batch_keys.observe(number(keys));
    }

    /// How the pools stand, for a scrape.
    pub fn observe_pools(&self, status: PoolStatus) {
        let PoolStatus { open, idle, waiting, max } = status;
        let Threads { working, total, min, max: max_threads } = &self.threads;
        let gauges = [
            (&self.connections, open),
            (&self.connections_idle, idle),
            (&self.connections_waited_for, waiting),
            (&self.connections_max, max),
            (working, open.saturating_sub(idle)),
            (total, open),
            (min, 0),
            (max_threads, max),
        ];
        for (gauge, value) in gauges {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
    }
}

impl Threads {
    fn new(registry: &Registry) -> Result<Self, Error> {
        let gauge = |name: &str, help: &str| -> Result<IntGauge, Error> {
            let name = format!("synapse_threadpool_{name}_threads");
            let help = format!("Connections to PostgreSQL {help}; in Synapse each has a thread.");
            Ok(gauges(registry, &name, &help, &["name"])?.with_label_values(&["database-master"]))
        };
        Ok(Self {
            working: gauge("working", "that are in use")?,
            total: gauge("total", "that are open")?,
            min: gauge("min", "that are kept open")?,
            max: gauge("max", "that there may be")?,
        })
    }
}
