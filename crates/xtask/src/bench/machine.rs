//! Where it was measured, and what.

use std::{fs, process::Command};

use anyhow::{Context, Result};
use key_backup_testkit::services::{Postgres, SynapseVenv};
use serde_json::{Map, Value};

use crate::cargo::workspace;

/// What figures depend on, by its name: the machine and the versions.
pub(super) struct Machine(Vec<(&'static str, String)>);

impl Machine {
    /// Looks it all up; what cannot be found out says so.
    pub(super) fn look(venv: &SynapseVenv) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        let version = "import importlib.metadata as m; print(m.version('matrix-synapse'))";
        let facts = [
            ("CPU", field("/proc/cpuinfo", "model name")),
            ("cores", Ok(cores.to_string())),
            ("memory", field("/proc/meminfo", "MemTotal")),
            ("kernel", read("/proc/sys/kernel/osrelease")),
            ("file system of the data", file_system()),
            ("PostgreSQL", postgres_version()),
            ("Synapse", first_line(Command::new(venv.python()).args(["-c", version]))),
            ("Redis", first_line(Command::new("redis-server").arg("--version"))),
            ("rustc", first_line(Command::new("rustc").arg("--version"))),
            ("commit of this worker", commit()),
        ];
        let known = |fact: Result<String>| fact.unwrap_or_else(|_| "unknown".to_owned());
        Self(facts.into_iter().map(|(name, fact)| (name, known(fact))).collect())
    }

    /// Nothing is known.
    #[cfg(test)]
    pub(super) fn unknown() -> Self {
        Self(Vec::new())
    }

    /// As a table.
    pub(super) fn table(&self) -> String {
        let rows: Vec<String> = self.0.iter().map(|(name, fact)| format!("| {name} | {fact} |")).collect();
        format!("| | |\n|---|---|\n{}\n", rows.join("\n"))
    }

    /// For machines.
    pub(super) fn json(&self) -> Value {
        let facts = self.0.iter().map(|(name, fact)| ((*name).to_owned(), Value::from(fact.clone())));
        Value::Object(facts.collect::<Map<_, _>>())
    }
}

fn read(path: &str) -> Result<String> {
    Ok(fs::read_to_string(path)?.trim().to_owned())
}

/// What stands behind the colon after this name.
fn field(path: &str, name: &str) -> Result<String> {
    let text = read(path)?;
    let line = text.lines().find(|line| line.starts_with(name)).context("no such field")?;
    Ok(line.split_once(':').context("no colon")?.1.trim().to_owned())
}

fn first_line(command: &mut Command) -> Result<String> {
    let output = String::from_utf8(command.output()?.stdout)?;
    Ok(output.lines().next().context("it printed nothing")?.trim().to_owned())
}

fn postgres_version() -> Result<String> {
    first_line(Command::new(Postgres::installed()?.join("postgres")).arg("--version"))
}

fn file_system() -> Result<String> {
    let folder = std::env::temp_dir();
    first_line(Command::new("stat").args(["--file-system", "--format=%T"]).arg(folder))
}

/// With a mark where the files are not those of the commit.
fn commit() -> Result<String> {
    let describe = ["describe", "--always", "--dirty", "--abbrev=12"];
    first_line(Command::new("git").args(describe).current_dir(workspace()))
}
