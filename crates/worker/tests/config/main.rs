//! The configuration as an operator sees it: files in, settings or one message out.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod database;
mod errors;
mod files;
mod libpq;
mod listeners;
mod logging;
mod mas;
mod own;
mod redis;
mod reference;
mod support;
mod synapse;
mod tls;
