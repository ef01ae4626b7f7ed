//! The binary with a configuration of its own, and a role with the rights of `grants.sql`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use key_backup_testkit::{services::PostgresAddress, temporary_folder};
use serde_json::Value;
use tempfile::TempDir;

/// Stands in every value that must not be told.
pub(crate) const SECRET: &str = "s3cret";

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_key-backup-worker");

const GRANTS: &str = include_str!("../../../../deploy/postgresql/grants.sql");

/// A folder with configuration files, each given with `-c` in the order in which they were written.
pub(crate) struct Setup {
    folder: TempDir,
    files: Vec<PathBuf>,
}

/// How the binary ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) time: Duration,
}

impl Setup {
    pub(crate) fn new(yaml: &str) -> Self {
        Self { folder: temporary_folder().unwrap(), files: Vec::new() }.with(yaml)
    }

    /// One more file, whose top-level keys replace those of the files before.
    pub(crate) fn with(mut self, yaml: &str) -> Self {
        let file = self.write(&format!("{}.yaml", self.files.len()), yaml);
        self.files.push(file);
        self
    }

    /// One more path on the command line.
    pub(crate) fn with_path(mut self, path: &Path) -> Self {
        self.files.push(path.to_owned());
        self
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the binary to its end, which comes after 20 s at the latest. Nothing of the surroundings of the test reaches it.
    pub(crate) async fn run(&self, words: &[&str]) -> Ended {
        let mut command = Command::new("timeout");
        command.current_dir(self.folder.path()).env_clear().env("HOME", self.folder.path());
        command.env("PATH", env::var_os("PATH").unwrap()).args(["-s", "KILL", "20", BINARY]).args(words);
        for file in &self.files {
            command.arg("-c").arg(file);
        }
        let started = Instant::now();
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            time: started.elapsed(),
        }
    }

    /// Runs `doctor --json`.
    pub(crate) async fn doctor(&self) -> Diagnosis {
        let ended = self.run(&["doctor", "--json"]).await;
        let report = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr));
        Diagnosis { ended, report }
    }
}

/// A report for machines.
pub(crate) struct Diagnosis {
    pub(crate) ended: Ended,
    pub(crate) report: Value,
}

impl Diagnosis {
    /// What is not as it should be, each as `level check: found`.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let findings = self.report["findings"].as_array().unwrap().iter();
        let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
        findings
            .filter(|finding| finding["level"] != "ok")
            .map(|finding| {
                assert!(!text(finding, "advice").is_empty());
                format!("{} {}: {}", text(finding, "level"), text(finding, "check"), text(finding, "found"))
            })
            .collect()
    }

    /// The one finding of a check.
    pub(crate) fn finding(&self, check: &str) -> &Value {
        let mut findings =
            self.report["findings"].as_array().unwrap().iter().filter(|finding| finding["check"] == check);
        let finding = findings.next().unwrap_or_else(|| panic!("no {check}: {:#}", self.report));
        assert!(findings.next().is_none(), "several of {check}: {:#}", self.report);
        finding
    }

    /// Fails unless the check has this level, and what it found and advises holds this text.
    #[track_caller]
    pub(crate) fn expect(&self, check: &str, level: &str, text: &str) {
        let finding = self.finding(check);
        assert_eq!(finding["level"], level, "{finding:#}");
        assert!(finding.to_string().contains(text), "{finding:#}");
    }
}

/// A role of a database's own, made by `grants.sql`: roles belong to a whole server.
pub(crate) struct Role {
    name: String,
    server: PostgresAddress,
    database: String,
}

impl Role {
    /// Runs `grants.sql` on the database; once more, if it has been run before.
    pub(crate) async fn create(server: &PostgresAddress, database: &str) -> Self {
        let name = format!("key_backup_worker_{database}");
        let role = Self { name, server: server.clone(), database: database.to_owned() };
        role.run(&GRANTS.replace("key_backup_worker", &role.name)).await;
        role
    }

    /// Changes its rights; `ROLE` stands for its name.
    pub(crate) async fn change(&self, sql: &str) {
        self.run(&sql.replace("ROLE", &self.name)).await;
    }

    async fn run(&self, sql: &str) {
        self.server.connect(&self.database).await.unwrap().batch_execute(sql).await.unwrap();
    }

    /// The `database` section with this role in the place of the superuser.
    pub(crate) fn database_yaml(&self, yaml: &str) -> String {
        yaml.replace("user: postgres", &format!("user: {}", self.name))
    }

    /// Roles outlive databases.
    pub(crate) async fn drop(self) {
        self.change("DROP OWNED BY ROLE; DROP USER ROLE").await;
    }
}
