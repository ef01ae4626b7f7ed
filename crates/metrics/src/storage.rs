//! Queries, transactions and connections of PostgreSQL.

use std::time::Duration;

use prometheus::{CounterVec, Error, Histogram, HistogramVec, IntCounterVec, IntGauge, Registry};

use crate::family::{counters, gauge, histogram, histograms, seconds};

/// Counts what the storage does, under Synapse's names where it has them.
pub struct StorageMetrics {
    schedule_time: Histogram,
    query_time: HistogramVec,
    transactions: IntCounterVec,
    transaction_time: CounterVec,
    errors: IntCounterVec,
    retries: IntCounterVec,
    connections: IntGauge,
    connections_idle: IntGauge,
    connections_waited_for: IntGauge,
}

impl StorageMetrics {
    #[rustfmt::skip]
    pub(crate) fn new(registry: &Registry) -> Result<Self, Error> {
        Ok(Self {
            schedule_time: histogram(registry, "synapse_storage_schedule_time", "Seconds spent waiting for a connection.")?,
            query_time: histograms(registry, "synapse_storage_query_time", "Seconds until a query was answered.", &["verb"])?,
            transactions: counters(registry, "synapse_storage_transaction_time_count_total", "Transactions.", &["desc"])?,
            transaction_time: seconds(registry, "synapse_storage_transaction_time_sum_total", "Seconds in transactions.", &["desc"])?,
            errors: counters(registry, "key_backup_storage_errors_total", "Transactions that failed, by what failed.", &["desc", "kind"])?,
            retries: counters(registry, "key_backup_storage_retries_total", "Transactions that were tried again after a conflict with another.", &["desc"])?,
            connections: gauge(registry, "key_backup_storage_connections", "Connections to PostgreSQL that are open.")?,
            connections_idle: gauge(registry, "key_backup_storage_connections_idle", "Connections to PostgreSQL that nobody uses.")?,
            connections_waited_for: gauge(registry, "key_backup_storage_connections_waited_for", "Requests that wait for a connection.")?,
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

    /// A transaction failed for good.
    pub fn failed(&self, desc: &str, kind: &str) {
        self.errors.with_label_values(&[desc, kind]).inc();
    }

    /// A transaction is tried once more.
    pub fn retried(&self, desc: &str) {
        self.retries.with_label_values(&[desc]).inc();
    }

    /// How many connections are open, how many of them nobody uses, and how many requests wait for one.
    pub fn pool_status(&self, open: usize, idle: usize, waiting: usize) {
        let gauges = [
            (&self.connections, open),
            (&self.connections_idle, idle),
            (&self.connections_waited_for, waiting),
        ];
        for (gauge, value) in gauges {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
    }
}
