//! Prometheus's text format, as far as tests look at it.

use std::{collections::BTreeMap, fmt};

use anyhow::{Context, Result, ensure};
use key_backup_testkit::http::Client;
use regex_lite::Regex;

/// Every sample of a scrape, by its name and labels.
pub(crate) type Samples = BTreeMap<Series, f64>;

/// A name and its labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
}

impl fmt::Display for Series {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels: Vec<String> =
            self.labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        write!(formatter, "{}{{{}}}", self.name, labels.join(","))
    }
}

/// What a process shows at its resource `metrics`.
pub(crate) async fn scrape(client: &Client) -> Result<Samples> {
    let answer = client.get("/_synapse/metrics").await?;
    ensure!(answer.status == 200, "no metrics: {}", answer.status);
    parse(&answer.text())
}

fn parse(text: &str) -> Result<Samples> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| sample(line).with_context(|| format!("no sample: {line}"))).collect()
}

fn sample(line: &str) -> Option<(Series, f64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let label = Regex::new(r#"([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)""#).ok()?;
    let labels = label.captures_iter(labels).map(|label| (label[1].to_owned(), normal(&label[1], &label[2])));
    Some((Series { name: name.to_owned(), labels: labels.collect() }, value.parse().ok()?))
}

/// The bounds of buckets are numbers, which Python and Rust write differently.
fn normal(label: &str, value: &str) -> String {
    let bound = if label == "le" { value.parse::<f64>().ok() } else { None };
    bound.map_or_else(|| value.to_owned(), |bound| bound.to_string())
}
