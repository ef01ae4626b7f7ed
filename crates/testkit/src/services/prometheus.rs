//! Prometheus.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::free_port;
use crate::{
    http::{Address, Client},
    process::{Process, Program},
};

/// A Prometheus that scrapes each second.
#[derive(Debug)]
pub struct Prometheus {
    client: Client,
    _process: Process,
}

/// A process to scrape under `/_synapse/metrics`.
#[derive(Debug, Clone, Copy)]
pub struct ScrapeTarget<'a> {
    /// A TCP address, such as `127.0.0.1:9000`.
    pub address: &'a str,
    /// The label `job`.
    pub job: &'a str,
    /// The label `index`.
    pub index: &'a str,
}

impl Prometheus {
    /// Starts Prometheus with its files in `folder`, which may not exist yet.
    ///
    /// # Errors
    ///
    /// When it is not installed, or does not start; the message holds the end of its log.
    pub async fn start(folder: &Path, targets: &[ScrapeTarget<'_>], rules: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let config = folder.join("prometheus.yml");
        fs::write(&config, config_yaml(targets, rules))?;
        let port = free_port()?;
        let program = Program {
            name: "Prometheus",
            path: &PathBuf::from("prometheus"),
            user: None,
            log: folder.join("prometheus.log"),
            stop_signal: Signal::SIGKILL,
        };
        let mut command = program.command();
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let mut process = program.spawn(command)?;
        let client = Client::new(Address::loopback(port));
        let ready = async || client.get("/-/ready").await.is_ok_and(|answer| answer.status == 200);
        process.wait_until(Duration::from_secs(20), ready).await?;
        Ok(Self { client, _process: process })
    }

    /// The values that a query has now, without those that are no number.
    ///
    /// # Errors
    ///
    /// When Prometheus does not accept the query; the message holds what it says.
    pub async fn query(&self, query: &str) -> Result<Vec<f64>> {
        let mut target = "/api/v1/query?query=".to_owned();
        for byte in query.bytes() {
            write!(target, "%{byte:02X}")?;
        }
        let answer = self.client.get(&target).await?;
        ensure!(answer.status == 200, "Prometheus refuses {query}: {}", answer.text());
        let answer = answer.json()?;
        let result = &answer["data"]["result"];
        let samples = match answer["data"]["resultType"].as_str() {
            Some("scalar") => vec![result],
            _ => result.as_array().context("no result")?.iter().map(|series| &series["value"]).collect(),
        };
        let values = samples.into_iter().filter_map(|sample: &Value| sample[1].as_str()?.parse::<f64>().ok());
        Ok(values.filter(|value| !value.is_nan()).collect())
    }

    /// What `promtool` says with these arguments.
    ///
    /// # Errors
    ///
    /// When it is not installed, or is not content; the message holds what it printed.
    pub fn promtool(arguments: &[&str]) -> Result<String> {
        let output = Command::new("promtool")
            .args(arguments)
            .output()
            .context("cannot run promtool (Debian package prometheus)")?;
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed).into_owned();
        ensure!(output.status.success(), "promtool {arguments:?}:\n{printed}");
        Ok(printed)
    }
}

fn config_yaml(targets: &[ScrapeTarget<'_>], rules: &Path) -> String {
    let target = |ScrapeTarget { address, job, index }: &ScrapeTarget<'_>| {
        format!("      - {{targets: ['{address}'], labels: {{job: '{job}', index: '{index}'}}}}\n")
    };
    let targets: String = targets.iter().map(target).collect();
    let rules = rules.display();
    format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ['{rules}']
scrape_configs:
  - job_name: synapse
    metrics_path: /_synapse/metrics
    static_configs:
{targets}"
    )
}
