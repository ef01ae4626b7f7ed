//! Caches under the names of Synapse's `synapse.util.caches`: gauges that only grow, of which the dashboard takes the rate.

use prometheus::{Error, IntGauge, IntGaugeVec};

use crate::family::{Registry, gauges};

/// Why an entry of a cache has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eviction {
    /// The cache was full.
    Size,
    /// It was too old.
    Time,
    /// It may not have been right any more.
    Invalidation,
}

pub(crate) struct CacheFamily {
    lookups: IntGaugeVec,
    hits: IntGaugeVec,
    size: IntGaugeVec,
    max_size: IntGaugeVec,
    evicted: IntGaugeVec,
}

/// One cache.
pub struct CacheGauges {
    lookups: IntGauge,
    hits: IntGauge,
    size: IntGauge,
    max_size: IntGauge,
    evicted: [IntGauge; 3],
}

impl CacheFamily {
    pub(crate) fn new(registry: &Registry) -> Result<Self, Error> {
        let gauge = |suffix: &str, help, labels: &[&str]| {
            gauges(registry, &format!("synapse_util_caches_cache{suffix}"), help, labels)
        };
        Ok(Self {
            lookups: gauge("", "Look-ups in a cache of the process.", &["name"])?,
            hits: gauge("_hits", "Look-ups that found something.", &["name"])?,
            size: gauge("_size", "Entries of a cache.", &["name"])?,
            max_size: gauge("_max_size", "How many entries a cache may have.", &["name"])?,
            evicted: gauge("_evicted_size", "Entries that have gone, by why.", &["name", "reason"])?,
        })
    }

    pub(crate) fn cache(&self, name: &str) -> CacheGauges {
        let evicted = |reason| self.evicted.with_label_values(&[name, reason]);
        CacheGauges {
            lookups: self.lookups.with_label_values(&[name]),
            hits: self.hits.with_label_values(&[name]),
            size: self.size.with_label_values(&[name]),
            max_size: self.max_size.with_label_values(&[name]),
            evicted: [evicted("size"), evicted("time"), evicted("invalidation")],
        }
    }
}

impl CacheGauges {
    /// It may hold so many entries.
    pub fn limit(&self, entries: u64) {
        self.max_size.set(i64::try_from(entries).unwrap_or(i64::MAX));
    }

    /// Something was looked up, and found or not.
    pub fn looked_up(&self, found: bool) {
        self.lookups.inc();
        self.hits.add(i64::from(found));
    }

    /// It holds so many entries.
    pub fn holds(&self, entries: u64) {
        self.size.set(i64::try_from(entries).unwrap_or(i64::MAX));
    }

    /// So many entries have gone.
    pub fn evicted(&self, reason: Eviction, entries: usize) {
        self.evicted[reason as usize].add(i64::try_from(entries).unwrap_or(i64::MAX));
    }
}
