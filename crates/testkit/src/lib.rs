//! Real PostgreSQL, Redis, Synapse, nginx and workers for tests, and the tools to look at them from outside.
//!
//! A test of the worker's binary needs three things:
//!
//! ```no_run
//! use key_backup_testkit::{TestDatabase, Worker};
//!
//! # async fn test(binary: &str) -> anyhow::Result<()> {
//! let database = TestDatabase::create().await?;
//! let alice = database.add_user("alice").await?;
//! // In an integration test of the worker's crate: `env!("CARGO_BIN_EXE_key-backup-worker")`.
//! let worker = Worker::configure(binary).database(&database).start().await?;
//! let answer = worker.client().as_user(&alice.access_token).get("/_matrix/client/v3/room_keys/version").await?;
//! assert_eq!(answer.status, 404);
//! # Ok(())
//! # }
//! ```
//!
//! The PostgreSQL and Redis that such tests use are started by `cargo xtask test`, or, for `cargo test -p …`, by
//! `cargo xtask services`.

mod account;
mod certificates;
mod database;
mod folder;
pub mod http;
mod process;
mod proxy;
pub mod services;
mod worker;

pub use account::Account;
pub use certificates::self_signed;
pub use database::TestDatabase;
pub use folder::temporary_folder;
pub use process::Process;
pub use proxy::BreakableProxy;
pub use worker::{Stopped, Worker, WorkerConfig};

/// The `server_name` of every homeserver in tests; user ids end in it.
pub const SERVER_NAME: &str = "example.com";
