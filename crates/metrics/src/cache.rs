//! What is remembered between requests, and what is heard from and said to Synapse over Redis.

use prometheus::{Error, IntCounter, IntCounterVec, IntGauge, Registry};

use crate::family::{counter, counters, gauge};

/// How a look-up in a cache ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookUp {
    /// It was there and could be used.
    Hit,
    /// It was not there.
    Miss,
    /// It was there, but of another etag than PostgreSQL's.
    Stale,
    /// The cache could not be asked, or may not be trusted now.
    Unavailable,
}

/// Counts of the caches, of Redis and of replication.
pub struct CacheMetrics {
    counts: IntCounterVec,
    tokens: IntCounterVec,
    redis_errors: IntCounterVec,
    inbound: IntCounterVec,
    outbound: IntCounterVec,
    /// 1 while Redis is left alone because it failed a moment ago.
    pub breaker_open: IntGauge,
    /// Access tokens in memory.
    pub tokens_cached: IntGauge,
    /// Access tokens that were dropped because Synapse said that they may have changed.
    pub tokens_invalidated: IntCounter,
    /// 1 while the worker hears Synapse: subscribed to its channel, and Redis answers.
    pub subscribed: IntGauge,
    /// Times that rows of Synapse's may have been missed, so that the tokens were dropped.
    pub gaps: IntCounter,
    /// Notes of who was seen that could not be sent: the queue was full, or Redis did not take them.
    pub user_ips_dropped: IntCounter,
}

impl CacheMetrics {
    #[rustfmt::skip]
    pub(crate) fn new(registry: &Registry) -> Result<Self, Error> {
        Ok(Self {
            counts: counters(registry, "key_backup_counts_lookups_total", "Look-ups of a backup's count of keys; what is not a hit was counted by PostgreSQL.", &["result"])?,
            tokens: counters(registry, "key_backup_tokens_lookups_total", "Look-ups of access tokens in memory; what is not a hit was asked of PostgreSQL.", &["result"])?,
            redis_errors: counters(registry, "key_backup_redis_errors_total", "Operations on Redis that failed; no client notices.", &["operation"])?,
            inbound: counters(registry, "synapse_replication_tcp_protocol_inbound_commands_total", "Commands heard on Synapse's replication.", &["command", "name"])?,
            outbound: counters(registry, "synapse_replication_tcp_protocol_outbound_commands_total", "Commands published on Synapse's replication.", &["command", "name"])?,
            breaker_open: gauge(registry, "key_backup_redis_breaker_open", "1 while Redis is left alone because it failed a moment ago.")?,
            tokens_cached: gauge(registry, "key_backup_tokens_cached", "Access tokens in memory.")?,
            tokens_invalidated: counter(registry, "key_backup_tokens_invalidated_total", "Access tokens dropped because Synapse said that they may have changed.")?,
            subscribed: gauge(registry, "key_backup_replication_subscribed", "1 while the worker hears Synapse over Redis; while it doesn't, every token is asked of PostgreSQL.")?,
            gaps: counter(registry, "key_backup_replication_gaps_total", "Times that rows of Synapse's may have been missed, so that all tokens were dropped.")?,
            user_ips_dropped: counter(registry, "key_backup_user_ips_dropped_total", "Notes of who was seen that could not be sent to Synapse.")?,
        })
    }

    /// A count of keys was looked up.
    pub fn count_looked_up(&self, result: LookUp) {
        self.counts.with_label_values(&[result.label()]).inc();
    }

    /// An access token was looked up.
    pub fn token_looked_up(&self, result: LookUp) {
        self.tokens.with_label_values(&[result.label()]).inc();
    }

    /// An operation on Redis failed.
    pub fn redis_failed(&self, operation: &str) {
        self.redis_errors.with_label_values(&[operation]).inc();
    }

    /// A command was heard.
    pub fn heard(&self, command: &str) {
        self.inbound.with_label_values(&[command, "redis"]).inc();
    }

    /// A command was published.
    pub fn said(&self, command: &str) {
        self.outbound.with_label_values(&[command, "redis"]).inc();
    }
}

impl LookUp {
    fn label(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Stale => "stale",
            Self::Unavailable => "unavailable",
        }
    }
}
