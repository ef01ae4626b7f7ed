//! Tokens of the Matrix Authentication Service (MAS): the worker's binary on real PostgreSQL and Redis, before a small service that
//! speaks the real protocol.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod accounts;
mod answers;
mod devices;
mod failures;
mod fixture;
mod logs;
mod memory;
mod question;
mod redis;
mod service;
mod tls;
