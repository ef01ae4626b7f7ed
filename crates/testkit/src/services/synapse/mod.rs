//! Synapse: a main process and one generic worker.

mod config;
mod registration;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use self::config::Ports;
use super::{PostgresAddress, RedisAddress};
use crate::{
    Account,
    http::{Address, Client},
    process::{Process, Program},
};

const ENVIRONMENT: &str = "KEY_BACKUP_SYNAPSE_VENV";

/// A Python virtual environment with `matrix-synapse[postgres,redis]` in it.
#[derive(Debug, Clone)]
pub struct SynapseVenv {
    folder: PathBuf,
}

/// A homeserver of our own, with a database of its own: the server name is [`crate::SERVER_NAME`], rate limits are off.
#[derive(Debug)]
pub struct Synapse {
    ports: Ports,
    config: PathBuf,
    database: String,
    folder: PathBuf,
    // Fields are dropped in this order.
    generic_worker: Process,
    main: Process,
}

/// One more generic worker of a homeserver; see [`Synapse::start_worker`].
#[derive(Debug)]
pub struct SynapseWorker {
    address: Address,
    process: Process,
}

impl SynapseWorker {
    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Its process: the process id and the log.
    pub fn process(&self) -> &Process {
        &self.process
    }
}

impl SynapseVenv {
    /// The environment in this folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The environment that `cargo xtask test` has made, or that `KEY_BACKUP_SYNAPSE_VENV` names.
    ///
    /// # Errors
    ///
    /// When there is none, with a message that says so.
    pub fn from_env() -> Result<Self> {
        super::from_environment(ENVIRONMENT).map(Self::new)
    }

    /// The one that somebody has named in `KEY_BACKUP_SYNAPSE_VENV`, if so.
    pub fn named_in_env() -> Option<Self> {
        env::var_os(ENVIRONMENT).map(Self::new)
    }

    /// The environment variable that hands it to [`SynapseVenv::from_env`] in another process, and its value.
    pub fn environment(&self) -> (&'static str, String) {
        (ENVIRONMENT, self.folder.display().to_string())
    }

    /// Its Python interpreter.
    pub fn python(&self) -> PathBuf {
        self.folder.join("bin/python")
    }
}

impl Synapse {
    /// Makes a homeserver in `folder`, which may not exist yet, and starts it. Takes about 4 s.
    ///
    /// # Errors
    ///
    /// When one of its processes does not start; the message holds the end of its log.
    pub async fn start(
        venv: &SynapseVenv,
        folder: &Path,
        postgres: &PostgresAddress,
        redis: RedisAddress,
    ) -> Result<Self> {
        Self::start_with(venv, folder, postgres, redis, "").await
    }

    /// As [`Synapse::start`], with further keys in `homeserver.yaml`. They may not repeat those that it has anyway.
    ///
    /// # Errors
    ///
    /// When one of its processes does not start; the message holds the end of its log.
    pub async fn start_with(
        venv: &SynapseVenv,
        folder: &Path,
        postgres: &PostgresAddress,
        redis: RedisAddress,
        yaml: &str,
    ) -> Result<Self> {
        // A name that `TestDatabase` sweeps on a server that outlives us.
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let database = format!("test_{}_synapse_{}", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        postgres.create_database(&database).await?;
        fs::create_dir_all(folder)?;
        generate_signing_key(venv, folder)?;
        let ports = Ports::choose()?;
        let config = folder.join("homeserver.yaml");
        let homeserver = config::homeserver(folder, &ports, &postgres.database_yaml(&database), redis);
        fs::write(&config, homeserver + "\n" + yaml)?;
        let worker_config = folder.join("generic_worker1.yaml");
        fs::write(&worker_config, config::generic_worker("generic_worker1", ports.worker))?;
        // The main process makes the tables that a worker refuses to start without.
        let main = launch(venv, folder, "homeserver", &[&config], ports.main).await?;
        let generic_worker =
            launch(venv, folder, "generic_worker", &[&config, &worker_config], ports.worker).await?;
        Ok(Self { ports, config, database, folder: folder.to_owned(), generic_worker, main })
    }

    /// Starts one more generic worker, with a name of its own and with further keys in its config, which replace those of
    /// `homeserver.yaml`.
    ///
    /// # Errors
    ///
    /// When it does not start; the message holds the end of its log.
    pub async fn start_worker(&self, venv: &SynapseVenv, name: &str, yaml: &str) -> Result<SynapseWorker> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder)?;
        let (port, config) = (super::free_port()?, folder.join("worker.yaml"));
        fs::write(&config, config::generic_worker(name, port) + yaml)?;
        let process = launch(venv, &folder, "generic_worker", &[&self.config, &config], port).await?;
        Ok(SynapseWorker { address: Address::loopback(port), process })
    }

    /// The listener of the main process.
    pub fn main(&self) -> Address {
        Address::loopback(self.ports.main)
    }

    /// The listener of the generic worker.
    pub fn generic_worker(&self) -> Address {
        Address::loopback(self.ports.worker)
    }

    /// The process of the main process: its process id and its log.
    pub fn main_process(&self) -> &Process {
        &self.main
    }

    /// The process of the generic worker: its process id and its log.
    pub fn generic_worker_process(&self) -> &Process {
        &self.generic_worker
    }

    /// The `homeserver.yaml` that all workers share, ours too.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The name of its database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Registers a user and logs in, with the password [`Synapse::PASSWORD`].
    ///
    /// # Errors
    ///
    /// When there is such a user.
    pub async fn register(&self, localpart: &str) -> Result<Account> {
        registration::register(&Client::new(self.main()), localpart, false).await
    }

    /// As [`Synapse::register`], for an administrator of the server.
    ///
    /// # Errors
    ///
    /// When there is such a user.
    pub async fn register_administrator(&self, localpart: &str) -> Result<Account> {
        registration::register(&Client::new(self.main()), localpart, true).await
    }

    /// The password of each user that is registered here.
    pub const PASSWORD: &str = registration::PASSWORD;
}

fn generate_signing_key(venv: &SynapseVenv, folder: &Path) -> Result<()> {
    let output = process::Command::new(venv.python())
        .args(["-m", "synapse._scripts.generate_signing_key", "-o"])
        .arg(folder.join("signing.key"))
        .output()
        .with_context(|| format!("cannot run {}", venv.python().display()))?;
    ensure!(
        output.status.success(),
        "no signing key for Synapse:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

async fn launch(
    venv: &SynapseVenv,
    folder: &Path,
    app: &str,
    config: &[&Path],
    port: u16,
) -> Result<Process> {
    let program = Program {
        name: &format!("Synapse's {app}"),
        path: &venv.python(),
        user: None,
        log: folder.join(format!("{app}.log")),
        stop_signal: Signal::SIGTERM,
    };
    let mut command = program.command();
    command.current_dir(folder).arg("-m").arg(format!("synapse.app.{app}"));
    for file in config {
        command.arg("-c").arg(file);
    }
    let mut process = program.spawn(command)?;
    let client = Client::new(Address::loopback(port));
    process
        .wait_until(Duration::from_mins(2), async || {
            client.get("/health").await.is_ok_and(|answer| answer.status == 200)
        })
        .await?;
    Ok(process)
}
