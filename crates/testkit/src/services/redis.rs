//! Redis.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use tokio::net::TcpStream;

use super::free_port;
use crate::process::{Process, Program};

const ENVIRONMENT: &str = "KEY_BACKUP_TEST_REDIS";

/// A Redis server of our own that keeps nothing on disk.
#[derive(Debug)]
pub struct Redis {
    address: RedisAddress,
    folder: PathBuf,
    arguments: Vec<String>,
    process: Process,
}

/// Where a Redis server listens on 127.0.0.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedisAddress {
    /// The TCP port.
    pub port: u16,
}

impl Redis {
    /// Starts a server without a password whose log is kept in `folder`, which may not exist yet.
    ///
    /// # Errors
    ///
    /// When Redis is not installed, or does not start; the message holds the end of its log.
    pub async fn start(folder: &Path) -> Result<Self> {
        Self::start_with(folder, &[]).await
    }

    /// As [`Redis::start`], with further settings, such as `--requirepass x`. `{port}` in one stands for the port.
    ///
    /// # Errors
    ///
    /// As [`Redis::start`].
    pub async fn start_with(folder: &Path, arguments: &[&str]) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let address = RedisAddress { port: free_port()? };
        let port = address.port.to_string();
        let arguments: Vec<String> =
            arguments.iter().map(|argument| argument.replace("{port}", &port)).collect();
        let process = run(folder, address, &arguments).await?;
        Ok(Self { address, folder: folder.to_owned(), arguments, process })
    }

    /// Lets it hang: connections stay, nothing is answered.
    ///
    /// # Errors
    ///
    /// When the process is gone.
    pub fn pause(&self) -> Result<()> {
        self.process.signal(Signal::SIGSTOP)
    }

    /// Lets it go on after [`Self::pause`].
    ///
    /// # Errors
    ///
    /// When the process is gone.
    pub fn resume(&self) -> Result<()> {
        self.process.signal(Signal::SIGCONT)
    }

    /// Kills it: connections break, new ones are refused.
    ///
    /// # Errors
    ///
    /// When the process is gone.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.signal(Signal::SIGKILL)?;
        self.process.wait(Duration::from_secs(5)).await.map(drop)
    }

    /// Starts it again on the same port after [`Self::kill`], with nothing in it.
    ///
    /// # Errors
    ///
    /// When it does not start; the message holds the end of its log.
    pub async fn restart(&mut self) -> Result<()> {
        self.process = run(&self.folder, self.address, &self.arguments).await?;
        Ok(())
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

    /// Its process: the process id and the log.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Where it listens.
    pub fn address(&self) -> RedisAddress {
        self.address
    }
}

async fn run(folder: &Path, address: RedisAddress, arguments: &[String]) -> Result<Process> {
    let program = Program {
        name: "Redis",
        path: &PathBuf::from("redis-server"),
        user: None,
        log: folder.join("redis.log"),
        stop_signal: Signal::SIGTERM,
    };
    let mut command = program.command();
    let port = address.port.to_string();
    command.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"]);
    command.args(arguments).current_dir(folder);
    let mut process = program.spawn(command)?;
    let listens = async || TcpStream::connect(("127.0.0.1", address.port)).await.is_ok();
    process.wait_until(Duration::from_secs(20), listens).await?;
    Ok(process)
}

impl RedisAddress {
    /// The environment variable that hands this server to [`Redis::from_env`] in another process, and its value.
    pub fn environment(&self) -> (&'static str, String) {
        (ENVIRONMENT, self.port.to_string())
    }

    /// Runs a command as redis-cli does, and says what that printed.
    ///
    /// # Errors
    ///
    /// When there is no redis-cli, or Redis does not answer; what Redis refuses is an answer, too.
    pub fn command(&self, words: &[&str]) -> Result<String> {
        let output = Command::new("redis-cli")
            .args(["--no-auth-warning", "-p", &self.port.to_string()])
            .args(words)
            .output()
            .context("cannot run redis-cli (Debian package redis-tools)")?;
        let printed = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        ensure!(output.status.success(), "redis-cli {words:?}: {printed} {output:?}");
        Ok(printed)
    }

    /// The `redis:` section of a Synapse config that connects to it.
    pub fn redis_yaml(&self) -> String {
        format!("redis:\n  enabled: true\n  host: 127.0.0.1\n  port: {}\n", self.port)
    }
}
