//! PostgreSQL.

use std::{
    env, fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use nix::{
    sys::signal::Signal,
    unistd::{Uid, User},
};
use tokio_postgres::{Client, NoTls};

use super::free_port;
use crate::process::{Process, Program};

const ENVIRONMENT: &str = "KEY_BACKUP_TEST_POSTGRES";
const USER: &str = "postgres";
/// How long the server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// As an operator runs it: what benchmarks and the demo need.
    Durable,
    /// `fsync` and `full_page_writes` off: right unless the machine crashes, and much faster. For tests.
    Fast,
}

/// How PostgreSQL is told to stop, by its own names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Sessions are ended, and everything is written down.
    Fast,
    /// Processes end where they stand; the next start recovers from the log, as after a crash.
    Immediate,
}

impl Shutdown {
    fn signal(self) -> Signal {
        match self {
            Self::Fast => Signal::SIGINT,
            Self::Immediate => Signal::SIGQUIT,
        }
    }
}

/// A PostgreSQL server of our own: UTF-8, collation `C`, superuser `postgres` without a password, 200 connections.
///
/// It listens on 127.0.0.1 and on a Unix socket in its folder.
#[derive(Debug)]
pub struct Postgres {
    address: PostgresAddress,
    folder: PathBuf,
    durability: Durability,
    process: Process,
}

/// Where a PostgreSQL server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresAddress {
    /// The TCP port on 127.0.0.1.
    pub port: u16,
    /// The folder of its Unix socket.
    pub socket_directory: PathBuf,
}

impl Postgres {
    /// Makes a new cluster in `folder`, which may not exist yet, and starts a server on it.
    ///
    /// # Errors
    ///
    /// When PostgreSQL is not installed, or does not start; the message holds the end of its log.
    pub async fn start(folder: &Path, durability: Durability) -> Result<Self> {
        prepare(folder)?;
        let mut command = Self::program("initdb")?;
        command.arg("-D").arg(folder.join("data")).args([
            "-U",
            USER,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        ]);
        command.args(["--locale", "C"]);
        run(command, folder)?;
        Self::on_cluster(folder, durability).await
    }

    /// Starts a standby of this server, on a copy of its data in `folder`: it follows what is written here, and takes reads only until
    /// somebody calls `pg_promote()` on it.
    ///
    /// # Errors
    ///
    /// As [`Postgres::start`].
    pub async fn standby(&self, folder: &Path) -> Result<Self> {
        prepare(folder)?;
        let mut command = Self::program("pg_basebackup")?;
        command.arg("-D").arg(folder.join("data")).args(["-R", "-X", "stream", "-c", "fast", "--no-sync"]);
        command.args(["-U", USER, "-h", "127.0.0.1", "-p", &self.address.port.to_string()]);
        run(command, folder)?;
        Self::on_cluster(folder, self.durability).await
    }

    async fn on_cluster(folder: &Path, durability: Durability) -> Result<Self> {
        let address = PostgresAddress { port: free_port()?, socket_directory: folder.to_owned() };
        let process = spawn(folder, &address, durability).await?;
        Ok(Self { address, folder: folder.to_owned(), durability, process })
    }

    /// Finds PostgreSQL's programs: in Debian's folder of the newest version, else in `PATH`.
    ///
    /// # Errors
    ///
    /// When it is not installed.
    pub fn installed() -> Result<PathBuf> {
        binaries()
    }

    /// One of PostgreSQL's programs, run as a user that it agrees to run as.
    ///
    /// # Errors
    ///
    /// When it is not installed.
    pub fn program(name: &str) -> Result<Command> {
        let binary = binaries()?.join(name);
        let Some(user) = service_user()? else { return Ok(Command::new(binary)) };
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &user.name, "--regid", &user.name, "--init-groups", "--"]).arg(binary);
        Ok(command)
    }

    /// Gives a file or a folder to that user.
    ///
    /// # Errors
    ///
    /// When that is not allowed.
    pub fn give(path: &Path) -> Result<()> {
        if let Some(user) = service_user()? {
            chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
        }
        Ok(())
    }

    /// The postmaster: its process id and its log.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Stops the server, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// When it is not running, or does not end.
    pub async fn stop(&mut self, mode: Shutdown) -> Result<()> {
        self.process.signal(mode.signal())?;
        self.process.wait(PATIENCE).await.map(drop)
    }

    /// Starts the server again on the same port and with the same data, and waits until it answers.
    ///
    /// # Errors
    ///
    /// When it still runs, or does not start; the message holds the end of its log.
    pub async fn start_again(&mut self) -> Result<()> {
        self.process = spawn(&self.folder, &self.address, self.durability).await?;
        Ok(())
    }

    /// Stops the server, and starts it again.
    ///
    /// # Errors
    ///
    /// As [`Postgres::stop`] and [`Postgres::start_again`].
    pub async fn restart(&mut self, mode: Shutdown) -> Result<()> {
        self.stop(mode).await?;
        self.start_again().await
    }

    /// Freezes the server with all its processes (`SIGSTOP`): the kernel still accepts connections for it, and nobody
    /// ever answers. Until [`Postgres::resume`].
    ///
    /// # Errors
    ///
    /// When it is not running.
    pub fn pause(&self) -> Result<()> {
        // The postmaster first: it starts no more processes then.
        self.process.signal(Signal::SIGSTOP)?;
        self.process.signal_children(Signal::SIGSTOP)
    }

    /// Lets a paused server go on.
    ///
    /// # Errors
    ///
    /// When it is not running.
    pub fn resume(&self) -> Result<()> {
        self.process.signal_children(Signal::SIGCONT)?;
        self.process.signal(Signal::SIGCONT)
    }

    /// The server that `cargo xtask test` or `cargo xtask services` has started for the tests.
    ///
    /// # Errors
    ///
    /// When neither has, with a message that says so.
    pub fn from_env() -> Result<PostgresAddress> {
        let value = super::from_environment(ENVIRONMENT)?;
        PostgresAddress::parse(&value).with_context(|| format!("cannot read {ENVIRONMENT}"))
    }

    /// Where it listens.
    pub fn address(&self) -> &PostgresAddress {
        &self.address
    }
}

impl Drop for Postgres {
    /// Processes that are frozen would not hear that they shall end.
    fn drop(&mut self) {
        let _ = self.process.signal_children(Signal::SIGCONT);
    }
}

impl PostgresAddress {
    /// The environment variable that hands this server to [`Postgres::from_env`] in another process, and its value.
    pub fn environment(&self) -> (&'static str, String) {
        (ENVIRONMENT, format!("{}:{}", self.port, self.socket_directory.display()))
    }

    fn parse(value: &str) -> Result<Self> {
        let (port, directory) = value.split_once(':').context("expected PORT:SOCKET_DIRECTORY")?;
        Ok(Self { port: port.parse()?, socket_directory: PathBuf::from(directory) })
    }

    /// Connects to a database as its superuser; the connection closes when the client is dropped.
    ///
    /// # Errors
    ///
    /// When the server is away or there is no such database.
    pub async fn connect(&self, database: &str) -> Result<Client> {
        let (client, connection) = tokio_postgres::Config::new()
            .host("127.0.0.1")
            .port(self.port)
            .user(USER)
            .dbname(database)
            .connect(NoTls)
            .await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Makes an empty database.
    ///
    /// # Errors
    ///
    /// When there is one of that name already.
    pub async fn create_database(&self, name: &str) -> Result<()> {
        self.connect(USER).await?.batch_execute(&format!("CREATE DATABASE \"{name}\"")).await?;
        Ok(())
    }

    /// The `database:` section of a Synapse config that connects to `database` over TCP.
    pub fn database_yaml(&self, database: &str) -> String {
        self.yaml("127.0.0.1", database)
    }

    /// As [`PostgresAddress::database_yaml`], over the Unix socket.
    pub fn database_yaml_over_unix_socket(&self, database: &str) -> String {
        self.yaml(&self.socket_directory.display().to_string(), database)
    }

    fn yaml(&self, host: &str, database: &str) -> String {
        let port = self.port;
        format!(
            "database:\n  name: psycopg2\n  args:\n    host: \"{host}\"\n    port: {port}\n    user: {USER}\n    dbname: \"{database}\"\n    cp_min: 1\n    cp_max: 10\n"
        )
    }
}

/// PostgreSQL refuses to run as root.
fn service_user() -> Result<Option<User>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    let user = User::from_name(USER)?.context("there is no user `postgres` to run PostgreSQL as")?;
    Ok(Some(user))
}

/// Starts the server on a cluster that exists.
async fn spawn(folder: &Path, address: &PostgresAddress, durability: Durability) -> Result<Process> {
    let user = service_user()?.map(|user| user.name);
    let program = Program {
        name: "PostgreSQL",
        path: &binaries()?.join("postgres"),
        user: user.as_deref(),
        log: folder.join("postgres.log"),
        // A fast shutdown would write a checkpoint into files that nobody will read again.
        stop_signal: Signal::SIGQUIT,
    };
    let mut command = program.command();
    command.arg("-D").arg(folder.join("data")).arg("-k").arg(folder).args(["-h", "127.0.0.1"]);
    command.arg("-p").arg(address.port.to_string()).args(["-c", "max_connections=200"]);
    if durability == Durability::Fast {
        command.args(["-c", "fsync=off", "-c", "full_page_writes=off"]);
    }
    let mut process = program.spawn(command)?;
    process.wait_until(PATIENCE, async || address.connect(USER).await.is_ok()).await?;
    Ok(process)
}

/// Makes a folder that PostgreSQL's user owns.
fn prepare(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    Postgres::give(folder)
}

/// Runs a program to its end.
fn run(mut command: Command, folder: &Path) -> Result<()> {
    // initdb wants to return to the folder that it is started in, which its user may not enter.
    let output = command.current_dir(folder).output().context("cannot start PostgreSQL's programs")?;
    ensure!(output.status.success(), "{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The folder with `initdb` and `postgres`: Debian's newest version, else what `PATH` has.
fn binaries() -> Result<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| folder.join("initdb").exists())
        .collect();
    versions.sort();
    if let Some((_, folder)) = versions.pop() {
        return Ok(folder);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    match env::split_paths(&path).find(|folder| folder.join("initdb").exists()) {
        Some(folder) => Ok(folder),
        None => bail!("PostgreSQL is not installed: no initdb in /usr/lib/postgresql/*/bin or PATH"),
    }
}
