//! What is refused, and what keeps the instance busy.

use prometheus::{Error, IntCounterVec, IntGauge};

use crate::family::{Registry, counters, gauge};

/// Counts refusals and connections.
pub struct LimitMetrics {
    refused: IntCounterVec,
    connections: IntGauge,
    database_available: IntGauge,
}

impl LimitMetrics {
    #[rustfmt::skip]
    pub(crate) fn new(registry: &Registry) -> Result<Self, Error> {
        Ok(Self {
            refused: counters(registry, "key_backup_refused_total", "Requests that were refused, and connections that were ended, to keep the worker within its bounds.", &["reason"])?,
            connections: gauge(registry, "key_backup_connections", "Connections of clients that are open.")?,
            database_available: gauge(registry, "key_backup_database_available", "1 while PostgreSQL takes reads and writes, as far as is known.")?,
        })
    }

    /// Something was refused, or ended, for that reason.
    pub fn refused(&self, reason: &str) {
        self.refused.with_label_values(&[reason]).inc();
    }

    /// A client has connected.
    pub fn connected(&self) {
        self.connections.inc();
    }

    /// A connection of a client has ended.
    pub fn disconnected(&self) {
        self.connections.dec();
    }

    /// How many connections of clients are open.
    pub fn connections(&self) -> i64 {
        self.connections.get()
    }

    /// Whether PostgreSQL takes reads and writes, for a scrape.
    pub fn database(&self, available: bool) {
        self.database_available.set(available.into());
    }
}
