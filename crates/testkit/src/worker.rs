//! The worker's own binary, run as an operator runs it.

use std::{
    ffi::OsString,
    fs, iter,
    path::{Path, PathBuf},
    process::ExitStatus,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::{
    Process, SERVER_NAME, TestDatabase,
    http::{Address, Client},
    process::Program,
    services::free_port,
    temporary_folder,
};

const READY: Duration = Duration::from_secs(20);

/// How a worker is to be started. Each piece of YAML becomes a config file of its own, in the order of the calls, so that a
/// later one replaces the top-level keys of an earlier one, as in Synapse.
#[derive(Debug)]
pub struct WorkerConfig {
    binary: PathBuf,
    config: Vec<Config>,
    arguments: Vec<OsString>,
    environment: Vec<(String, OsString)>,
    unix_socket: bool,
    metrics: bool,
    folder: Option<PathBuf>,
}

#[derive(Debug)]
enum Config {
    Text(String),
    File(PathBuf),
}

/// A running worker. Dropping it kills it.
#[derive(Debug)]
pub struct Worker {
    process: Process,
    address: Address,
    /// Removed after the process has ended.
    _temporary: Option<TempDir>,
}

/// A worker that has ended.
#[derive(Debug)]
pub struct Stopped {
    /// How.
    pub status: ExitStatus,
    /// All that it wrote to stdout and stderr.
    pub log: String,
}

impl WorkerConfig {
    /// The whole `homeserver.yaml` that a worker on a test database needs.
    #[must_use]
    pub fn database(self, database: &TestDatabase) -> Self {
        let general =
            format!("server_name: {SERVER_NAME}\nreport_stats: false\nmacaroon_secret_key: macaroon\n");
        self.yaml(&(general + &database.database_yaml()))
    }

    /// Further config.
    #[must_use]
    pub fn yaml(mut self, yaml: &str) -> Self {
        self.config.push(Config::Text(yaml.to_owned()));
        self
    }

    /// A config file, or a folder of them, that exists already.
    #[must_use]
    pub fn file(mut self, path: &Path) -> Self {
        self.config.push(Config::File(path.to_owned()));
        self
    }

    /// A further argument of the command line.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// An environment variable.
    #[must_use]
    pub fn environment(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Lets the worker listen on a Unix socket in place of a TCP port.
    #[must_use]
    pub fn unix_socket(mut self) -> Self {
        self.unix_socket = true;
        self
    }

    /// Lets it show its metrics, for [`Worker::metric`].
    #[must_use]
    pub fn metrics(mut self) -> Self {
        self.metrics = true;
        self
    }

    /// Keeps its config and its log in a folder that the caller owns, in place of a temporary one.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Starts the worker and waits until `GET /health` is answered.
    ///
    /// # Errors
    ///
    /// With the end of its log, when it ends before that or takes more than 20 s.
    pub async fn start(self) -> Result<Worker> {
        // Somebody may take the port between our choosing it and the worker's binding it.
        for _ in 0..3 {
            let mut worker = self.spawn()?;
            let client = worker.client();
            let healthy = async || client.get("/health").await.is_ok_and(|answer| answer.status == 200);
            match worker.process.wait_until(READY, healthy).await {
                Ok(()) if worker.process.try_wait()?.is_none() => return Ok(worker),
                Ok(()) => {}
                Err(_) if worker.log().contains("in use") => {}
                Err(error) => return Err(error),
            }
        }
        bail!("no free port for the worker in three attempts")
    }

    /// Starts a worker that shall end by itself within 20 s: one that refuses its config.
    ///
    /// # Errors
    ///
    /// When it goes on running.
    pub async fn run_to_its_end(self) -> Result<Stopped> {
        self.spawn()?.ended().await
    }

    fn spawn(&self) -> Result<Worker> {
        let temporary = if self.folder.is_none() { Some(temporary_folder()?) } else { None };
        let folder = self.folder.as_deref().or(temporary.as_ref().map(TempDir::path)).context("no folder")?;
        fs::create_dir_all(folder)?;
        let program = Program {
            name: "the worker",
            path: &self.binary,
            user: None,
            log: folder.join("worker.log"),
            stop_signal: Signal::SIGKILL,
        };
        let mut command = program.command();
        command.current_dir(folder).envs(self.environment.iter().cloned()).args(&self.arguments);
        let (address, listener) = self.listener(folder)?;
        // The listener comes first, so that a test may replace it.
        for (number, config) in iter::once(&listener).chain(&self.config).enumerate() {
            command.arg("-c").arg(config.path(folder, number)?);
        }
        let process = program.spawn(command)?;
        Ok(Worker { process, address, _temporary: temporary })
    }

    fn listener(&self, folder: &Path) -> Result<(Address, Config)> {
        let (address, place) = if self.unix_socket {
            let path = folder.join("worker.sock");
            (Address::unix(&path), format!("path: \"{}\"", path.display()))
        } else {
            let port = free_port()?;
            (Address::loopback(port), format!("port: {port}, bind_addresses: [127.0.0.1]"))
        };
        let names = if self.metrics { "client, metrics" } else { "client" };
        let yaml = format!(
            "worker_app: synapse.app.generic_worker\nworker_name: key_backup1\nworker_listeners:\n  - {{type: http, {place}, x_forwarded: true, resources: [{{names: [{names}]}}]}}\n"
        );
        Ok((address, Config::Text(yaml)))
    }
}

impl Config {
    /// Where it is, written into `folder` if it is not a file already.
    fn path(&self, folder: &Path, number: usize) -> Result<PathBuf> {
        match self {
            Self::File(path) => Ok(path.clone()),
            Self::Text(yaml) => {
                let path = folder.join(format!("{number}.yaml"));
                fs::write(&path, yaml)?;
                Ok(path)
            }
        }
    }
}

/// Every worker of every test is searched at its end: no access token may stand in what it wrote, at whatever level it logs.
impl Drop for Worker {
    fn drop(&mut self) {
        let log = self.process.log();
        let leak = log.lines().find(|line| holds_a_token(line));
        // A test that fails already says more by its own words.
        assert!(
            thread::panicking() || leak.is_none(),
            "a token stands in the log: {}",
            leak.unwrap_or_default()
        );
    }
}

/// Synapse's tokens and those of [`TestDatabase`] begin alike; guests' begin with the length of a macaroon's first packet, in base64; those of
/// application services in tests end alike.
fn holds_a_token(line: &str) -> bool {
    ["syt_", "_as_token", "MDAx", "MDAy"].iter().any(|mark| line.contains(mark))
}

impl Worker {
    /// A worker of this binary: in an integration test of its crate, `env!("CARGO_BIN_EXE_key-backup-worker")`.
    pub fn configure(binary: impl Into<PathBuf>) -> WorkerConfig {
        WorkerConfig {
            binary: binary.into(),
            config: Vec::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
            unix_socket: false,
            metrics: false,
            folder: None,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// A client of it, without a token.
    pub fn client(&self) -> Client {
        Client::new(self.address.clone())
    }

    /// The value of a metric of whole numbers, summed over all of its series that have these labels (each as `name="value"`); 0 where there is none.
    ///
    /// # Errors
    ///
    /// When the worker does not answer, or was not started with [`WorkerConfig::metrics`].
    pub async fn metric(&self, name: &str, labels: &[&str]) -> Result<i64> {
        let answer = self.client().get("/_synapse/metrics").await?;
        ensure!(answer.status == 200, "the worker shows no metrics: {}", answer.status);
        let text = answer.text();
        let is_meant = |series: &str| {
            let is_named =
                series.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('{'));
            is_named && labels.iter().all(|label| series.contains(label))
        };
        let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        lines.filter(|(series, _)| is_meant(series)).map(|(_, value)| Ok(value.parse::<i64>()?)).sum()
    }

    /// Its process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// All that it has written to stdout and stderr so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Errors
    ///
    /// When it still runs 20 s later.
    pub async fn stop(self) -> Result<Stopped> {
        self.process.signal(Signal::SIGTERM)?;
        self.ended().await
    }

    /// Sends SIGKILL and waits for the end.
    ///
    /// # Errors
    ///
    /// When it has ended before.
    pub async fn kill(self) -> Result<Stopped> {
        self.process.signal(Signal::SIGKILL)?;
        self.ended().await
    }

    async fn ended(mut self) -> Result<Stopped> {
        let status = self.process.wait(READY).await?;
        Ok(Stopped { status, log: self.process.log() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_every_kind_are_found_in_a_line() {
        for line in [
            "x syt_token_1 y",
            "Bearer bridge_as_token",
            "?access_token=MDAxOWxvY2F0aW9u",
            "MDAyMWxvY2F0aW9u",
        ] {
            assert!(holds_a_token(line), "{line}");
        }
        assert!(!holds_a_token(
            r#""GET /_matrix/client/v3/room_keys/version?access_token=<redacted> HTTP/1.1""#
        ));
    }
}
