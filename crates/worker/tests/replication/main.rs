//! What is remembered and what is heard: counts, tokens and replication, on real Redis and real Synapse.

mod backup;
mod counts;
mod counts_void;
mod deployment;
mod gaps;
mod outages;
mod redis_config;
mod setup;
mod synapse_counts;
mod tokens;
mod user_ips;
