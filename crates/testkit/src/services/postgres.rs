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

/// Whether a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// As an operator runs it: what benchmarks and the demo need.
    Durable,
    /// `fsync` and `full_page_writes` off: right unless the machine crashes, and much faster. For tests.
    Fast,
}

/// A PostgreSQL server of our own: UTF-8, collation `C`, superuser `postgres` without a password, 200 connections.
///
/// It listens on 127.0.0.1 and on a Unix socket in its folder.
#[derive(Debug)]
pub struct Postgres {
    address: PostgresAddress,
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
        let binaries = binaries()?;
        fs::create_dir_all(folder)?;
        let user = service_user()?;
        if let Some(user) = &user {
            chown(folder, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
        }
        let user = user.map(|user| user.name);
        initdb(&binaries, folder, user.as_deref())?;
        let program = Program {
            name: "PostgreSQL",
            path: &binaries.join("postgres"),
            user: user.as_deref(),
            log: folder.join("postgres.log"),
            // A fast shutdown would write a checkpoint into files that nobody will read again.
            stop_signal: Signal::SIGQUIT,
        };
        let address = PostgresAddress { port: free_port()?, socket_directory: folder.to_owned() };
        let mut command = program.command();
        command.arg("-D").arg(folder.join("data")).arg("-k").arg(folder).args(["-h", "127.0.0.1"]);
        command.arg("-p").arg(address.port.to_string()).args(["-c", "max_connections=200"]);
        if durability == Durability::Fast {
            command.args(["-c", "fsync=off", "-c", "full_page_writes=off"]);
        }
        let mut process = program.spawn(command)?;
        process.wait_until(Duration::from_secs(30), async || address.connect(USER).await.is_ok()).await?;
        Ok(Self { address, process })
    }

    /// Finds PostgreSQL's programs: in Debian's folder of the newest version, else in `PATH`.
    ///
    /// # Errors
    ///
    /// When it is not installed.
    pub fn installed() -> Result<PathBuf> {
        binaries()
    }

    /// The postmaster: its process id and its log.
    pub fn process(&self) -> &Process {
        &self.process
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

fn initdb(binaries: &Path, folder: &Path, user: Option<&str>) -> Result<()> {
    let mut command = match user {
        Some(user) => {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid", user, "--regid", user, "--init-groups", "--"])
                .arg(binaries.join("initdb"));
            command
        }
        None => Command::new(binaries.join("initdb")),
    };
    command.arg("-D").arg(folder.join("data")).args(["-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"]);
    // initdb wants to return to the folder that it is started in, which its user may not enter.
    let output =
        command.args(["--locale", "C"]).current_dir(folder).output().context("cannot start initdb")?;
    ensure!(output.status.success(), "initdb failed:\n{}", String::from_utf8_lossy(&output.stderr));
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
