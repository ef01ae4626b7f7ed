//! What clients and the operator see while something is wrong: the database, the network, the clients themselves, or the end of the worker.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod common;
mod failover;
mod network;
mod overload;
mod pooler;
mod postgres;
mod rates;
mod slow_clients;
mod slow_tls_clients;
mod stopping;
