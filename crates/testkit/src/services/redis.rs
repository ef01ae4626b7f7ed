//! Redis.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use tokio::net::TcpStream;

use super::free_port;
use crate::process::{Process, Program};

const ENVIRONMENT: &str = "KEY_BACKUP_TEST_REDIS";

/// A Redis server of our own, without a password, that keeps nothing on disk.
#[derive(Debug)]
pub struct Redis {
    address: RedisAddress,
    _process: Process,
}

/// Where a Redis server listens on 127.0.0.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedisAddress {
    /// The TCP port.
    pub port: u16,
}

impl Redis {
    /// Starts a server whose log is kept in `folder`, which may not exist yet.
    ///
    /// # Errors
    ///
    /// When Redis is not installed, or does not start; the message holds the end of its log.
    pub async fn start(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let program = Program {
            name: "Redis",
            path: &PathBuf::from("redis-server"),
            user: None,
            log: folder.join("redis.log"),
            stop_signal: Signal::SIGTERM,
        };
        let address = RedisAddress { port: free_port()? };
        let mut command = program.command();
        command.args([
            "--bind",
            "127.0.0.1",
            "--port",
            &address.port.to_string(),
            "--save",
            "",
            "--appendonly",
            "no",
        ]);
        command.current_dir(folder);
        let mut process = program.spawn(command)?;
        process
            .wait_until(Duration::from_secs(20), async || {
                TcpStream::connect(("127.0.0.1", address.port)).await.is_ok()
            })
            .await?;
        Ok(Self { address, _process: process })
    }

    /// The server that `cargo xtask test` or `cargo xtask services` has started for the tests.
    ///
    /// # Errors
    ///
    /// When neither has, with a message that says so.
    pub fn from_env() -> Result<RedisAddress> {
        let value = super::from_environment(ENVIRONMENT)?;
        let port = value.parse().with_context(|| format!("{ENVIRONMENT} must be a port"))?;
        Ok(RedisAddress { port })
    }

    /// Where it listens.
    pub fn address(&self) -> RedisAddress {
        self.address
    }
}

impl RedisAddress {
    /// The environment variable that hands this server to [`Redis::from_env`] in another process, and its value.
    pub fn environment(&self) -> (&'static str, String) {
        (ENVIRONMENT, self.port.to_string())
    }

    /// The `redis:` section of a Synapse config that connects to it.
    pub fn redis_yaml(&self) -> String {
        format!("redis:\n  enabled: true\n  host: 127.0.0.1\n  port: {}\n", self.port)
    }
}
