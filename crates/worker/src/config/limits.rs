//! Those of the worker's own settings that bound what clients can take.

use std::{num::NonZeroU32, time::Duration};

use key_backup_api::{LimitSettings, Rate};

use super::{ConfigError, node::Node};

/// The settings that are read here.
pub(super) const KNOWN: [&str; 10] = [
    "max_body_memory",
    "max_large_uploads_per_user",
    "max_queue_time",
    "max_requests_in_flight",
    "max_restore_memory",
    "max_restores",
    "max_restores_per_user",
    "min_transfer_rate",
    "rate_limit",
    "slow_client_timeout",
];

/// How many of anything may be set at the most.
const MOST: usize = 1_000_000;

/// The settings for so many threads, if none is set.
pub(super) fn defaults(threads: usize) -> LimitSettings {
    LimitSettings {
        max_requests_in_flight: 64 * threads,
        max_queue_time: Duration::from_millis(500),
        max_body_memory: 256 * 1024 * 1024,
        max_restore_memory: 64 * 1024 * 1024,
        max_restores: 64,
        max_restores_per_user: 8,
        max_large_uploads_per_user: 4,
        rate_limit: rate(1000, 10_000),
        slow_client_timeout: Duration::from_secs(15),
        min_transfer_rate: 4096,
    }
}

/// Reads one of [`KNOWN`].
pub(super) fn read(limits: &mut LimitSettings, key: &str, node: &Node<'_>) -> Result<(), ConfigError> {
    match key {
        "max_body_memory" => limits.max_body_memory = node.size()?,
        "max_large_uploads_per_user" => limits.max_large_uploads_per_user = node.integer(1..=MOST)?,
        "max_queue_time" => limits.max_queue_time = node.duration()?,
        "max_requests_in_flight" => limits.max_requests_in_flight = node.integer(1..=MOST)?,
        "max_restore_memory" => limits.max_restore_memory = node.size()?,
        "max_restores" => limits.max_restores = node.integer(1..=MOST)?,
        "max_restores_per_user" => limits.max_restores_per_user = node.integer(1..=MOST)?,
        "min_transfer_rate" => limits.min_transfer_rate = node.size()?,
        "slow_client_timeout" => limits.slow_client_timeout = timeout(node)?,
        _ => limits.rate_limit = rate_limit(node)?,
    }
    Ok(())
}

fn timeout(node: &Node<'_>) -> Result<Duration, ConfigError> {
    let timeout = node.duration()?;
    if timeout.is_zero() { Err(node.expected("more than 0")) } else { Ok(timeout) }
}

/// A mapping as Synapse's `rc_*`; `false` for no limit.
fn rate_limit(node: &Node<'_>) -> Result<Option<Rate>, ConfigError> {
    if node.bool() == Ok(false) {
        return Ok(None);
    }
    let section = node.section().map_err(|_| node.expected("a mapping, or false for no limit"))?;
    if let Some((_, unknown)) =
        section.entries().find(|(key, _)| !["burst_count", "per_second"].contains(key))
    {
        return Err(unknown.error("no such setting; there are burst_count, per_second"));
    }
    let number = |key| section.require(key, "a whole number")?.integer(1..=u32::MAX);
    Ok(rate(number("per_second")?, number("burst_count")?))
}

fn rate(per_second: u32, burst_count: u32) -> Option<Rate> {
    Some(Rate { per_second: NonZeroU32::new(per_second)?, burst_count: NonZeroU32::new(burst_count)? })
}
