//! What is remembered between requests, and how Redis does.

use std::time::Duration;

use prometheus::{Error, HistogramVec, IntCounter, IntCounterVec, IntGauge};

use crate::{
    CacheGauges, Eviction, TimestampGauge,
    caches::CacheFamily,
    family::{Registry, SHORT_BUCKETS, counter, counters, gauge, histograms_of, timestamp},
};

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

/// Where a count was looked up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Layer {
    /// In Redis.
    Redis,
    /// In the process, because there is no Redis or none that answers.
    #[default]
    Process,
}

/// Counts of the caches and of Redis.
pub struct CacheMetrics {
    counts: IntCounterVec,
    tokens: IntCounterVec,
    tokens_cached: IntGauge,
    tokens_invalidated: IntCounter,
    token_gauges: CacheGauges,
    redis_errors: IntCounterVec,
    redis_operations: HistogramVec,
    /// 1 while Redis is left alone because it failed a moment ago.
    pub breaker_open: IntGauge,
    /// When Redis last did what it was asked for.
    pub redis_last_success: TimestampGauge,
    /// The memory of who was told of as seen, under Synapse's name for its own.
    pub client_ips: CacheGauges,
}

impl CacheMetrics {
    #[rustfmt::skip]
    pub(crate) fn new(registry: &Registry) -> Result<Self, Error> {
        let family = CacheFamily::new(registry)?;
        Ok(Self {
            counts: counters(registry, "key_backup_counts_lookups_total", "Look-ups of a backup's count of keys, by where; what is not a hit was counted by PostgreSQL.", &["layer", "result"])?,
            tokens: counters(registry, "key_backup_tokens_lookups_total", "Look-ups of access tokens in memory; what is not a hit was asked of PostgreSQL.", &["result"])?,
            tokens_cached: gauge(registry, "key_backup_tokens_cached", "Access tokens in memory.")?,
            tokens_invalidated: counter(registry, "key_backup_tokens_invalidated_total", "Access tokens dropped because Synapse said that they may have changed.")?,
            token_gauges: family.cache("get_user_by_access_token"),
            redis_errors: counters(registry, "key_backup_redis_errors_total", "Operations on Redis that failed; no client notices.", &["operation"])?,
            redis_operations: histograms_of(registry, "key_backup_redis_operation_seconds", "Seconds that requests waited for Redis, where it answered.", &["operation"], SHORT_BUCKETS)?,
            breaker_open: gauge(registry, "key_backup_redis_breaker_open", "1 while Redis is left alone because it failed a moment ago.")?,
            redis_last_success: timestamp(registry, "key_backup_redis_last_success_timestamp_seconds", "When Redis last did what it was asked for.")?,
            client_ips: family.cache("client_ip_last_seen"),
        })
    }

    /// A count of keys was looked up.
    pub fn count_looked_up(&self, layer: Layer, result: LookUp) {
        let layer = match layer {
            Layer::Redis => "redis",
            Layer::Process => "process",
        };
        self.counts.with_label_values(&[layer, result.label()]).inc();
    }

    /// An access token was looked up.
    pub fn token_looked_up(&self, result: LookUp) {
        self.tokens.with_label_values(&[result.label()]).inc();
        self.token_gauges.looked_up(result == LookUp::Hit);
    }

    /// So many access tokens may be remembered.
    pub fn tokens_limit(&self, tokens: usize) {
        self.token_gauges.limit(tokens as u64);
    }

    /// So many access tokens are remembered.
    pub fn tokens_remembered(&self, tokens: usize) {
        self.tokens_cached.set(i64::try_from(tokens).unwrap_or(i64::MAX));
        self.token_gauges.holds(tokens as u64);
    }

    /// So many access tokens were forgotten.
    pub fn tokens_forgotten(&self, reason: Eviction, tokens: usize) {
        self.token_gauges.evicted(reason, tokens);
        if reason == Eviction::Invalidation {
            self.tokens_invalidated.inc_by(tokens as u64);
        }
    }

    /// Redis has done something that a request waited for.
    pub fn redis_answered(&self, operation: &str, time: Duration) {
        self.redis_operations.with_label_values(&[operation]).observe(time.as_secs_f64());
        self.redis_last_success.touch();
    }

    /// An operation on Redis failed.
    pub fn redis_failed(&self, operation: &str) {
        self.redis_errors.with_label_values(&[operation]).inc();
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
