//! The key-backup worker: command line, configuration, listeners and life cycle.

pub mod app;
mod backends;
pub mod check_config;
pub mod cli;
pub mod config;
pub mod doctor;
pub mod healthcheck;
mod lifecycle;
mod listen;
mod replication;
mod schema;
mod serve;
mod stream;
pub mod telemetry;
mod threads;
mod tls;
mod watchdog;
