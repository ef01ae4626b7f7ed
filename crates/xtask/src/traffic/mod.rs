//! What the commands share that put load on workers: users, their requests, connections, and what processes use.

mod client;
pub(crate) mod request;
pub(crate) mod usage;
pub(crate) mod world;

use std::time::Duration;

pub(crate) use client::Client;

/// The value below which that share of sorted values lies.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted
        .get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}
