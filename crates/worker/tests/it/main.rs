//! The worker from outside: its own binary over HTTP, on real PostgreSQL.

mod common;
