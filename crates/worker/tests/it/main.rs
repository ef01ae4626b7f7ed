//! The worker from outside: its own binary over HTTP, on real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod bodies;
mod collector;
mod common;
mod connections;
mod database;
mod http;
mod ids;
mod keys;
mod lifecycle;
mod listeners;
mod listening;
mod logs;
mod metrics;
mod otlp;
mod restores;
mod start;
mod systemd;
mod tls;
mod tokens;
mod two_workers;
mod uploads;
mod versions;
