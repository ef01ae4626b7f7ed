//! Configuration files for a test, and what is read from them.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use key_backup_storage::ConnectionSettings;
use key_backup_worker::config::{Config, ConfigError, Environment, InlineSecrets};
use tempfile::TempDir;

/// All that Synapse and this worker ask for.
pub(crate) const MINIMAL: &str = "
server_name: example.com
report_stats: no
worker_name: key_backup1
database: {name: psycopg2, args: {user: synapse, dbname: synapse, host: db.test}}
worker_listeners: [{type: http, port: 8083, resources: [{names: [client]}]}]
";

/// A directory with files, and the surroundings of a process.
pub(crate) struct Setup {
    directory: TempDir,
    paths: Vec<PathBuf>,
    pub(crate) environment: Environment,
    pub(crate) inline: InlineSecrets,
}

impl Setup {
    /// Nothing but the user's name.
    pub(crate) fn empty() -> Self {
        let environment = Environment { user: Some("osuser".to_owned()), ..Environment::default() };
        Self {
            directory: TempDir::new().unwrap(),
            paths: Vec::new(),
            environment,
            inline: InlineSecrets::Allowed,
        }
    }

    /// The minimal configuration.
    pub(crate) fn minimal() -> Self {
        Self::empty().with("homeserver.yaml", MINIMAL)
    }

    /// One more file on the command line.
    pub(crate) fn with(mut self, name: &str, text: &str) -> Self {
        let path = self.write(name, text);
        self.paths.push(path);
        self
    }

    /// One more path on the command line.
    pub(crate) fn with_path(mut self, path: PathBuf) -> Self {
        self.paths.push(path);
        self
    }

    /// An environment variable.
    pub(crate) fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.environment.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A home directory with these files.
    pub(crate) fn with_home(mut self, files: &[(&str, &str)]) -> Self {
        for (name, text) in files {
            self.write(name, text);
        }
        self.environment.home = Some(self.directory.path().to_owned());
        self
    }

    /// Writes a file that only its owner may read.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn read(&self) -> Result<Config, ConfigError> {
        Config::read(&self.paths, self.inline, &self.environment)
    }

    /// What the right configuration gives.
    pub(crate) fn config(&self) -> Config {
        self.read().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The message of a wrong one.
    pub(crate) fn message(&self) -> String {
        self.read().expect_err("this should be refused").to_string()
    }
}

/// The minimal configuration and, in a file after it, this.
pub(crate) fn with(text: &str) -> Setup {
    Setup::minimal().with("worker.yaml", text)
}

/// The minimal configuration with these `args` of the database, in YAML's flow style.
pub(crate) fn with_args(args: &str) -> Setup {
    with(&format!("database: {{name: psycopg2, args: {args}}}"))
}

/// The connection that these `args` give.
pub(crate) fn connection(args: &str) -> ConnectionSettings {
    with_args(args).config().database.connection
}
