//! The real programs that a Synapse deployment consists of, each ended when its value is dropped.
//!
//! All listen on free loopback ports and keep their files in a folder that the caller gives, which must outlive them.

mod nginx;
mod port;
mod postgres;
mod redis;
mod synapse;

use anyhow::{Context, Result};

pub use nginx::{Nginx, Upstreams};
pub(crate) use port::free_port;
pub use postgres::{Durability, Postgres, PostgresAddress, Shutdown};
pub use redis::{Redis, RedisAddress};
pub use synapse::{Synapse, SynapseVenv};

/// A variable that `cargo xtask test` sets for the tests.
fn from_environment(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| {
        format!(
            "{name} is not set: run `cargo xtask test`, or run `cargo xtask services` and what it prints in another terminal"
        )
    })
}
