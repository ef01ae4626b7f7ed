//! `deploy/grafana/dashboards/key-backup.json`, as its file has it.

use std::{collections::BTreeSet, fs, path::PathBuf};

use key_backup_metrics::Metrics;
use regex_lite::Regex;
use serde::Deserialize;
use serde_json::Value;

/// What a panel's description says if it is empty as long as all is well.
const NO_DATA: &str = "No data is normal";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Dashboard {
    pub(crate) uid: String,
    pub(crate) schema_version: u32,
    pub(crate) panels: Vec<Panel>,
    pub(crate) templating: List,
    pub(crate) annotations: List,
}

#[derive(Debug, Deserialize)]
pub(crate) struct List {
    pub(crate) list: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Panel {
    pub(crate) id: u32,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) description: String,
    pub(crate) grid_pos: GridPos,
    #[serde(default)]
    pub(crate) datasource: Value,
    #[serde(default)]
    pub(crate) field_config: Value,
    #[serde(default)]
    pub(crate) targets: Vec<Target>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct GridPos {
    pub(crate) x: u32,
    pub(crate) y: u32,
    pub(crate) w: u32,
    pub(crate) h: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Target {
    pub(crate) ref_id: String,
    pub(crate) datasource: Value,
    pub(crate) expr: String,
    pub(crate) legend_format: String,
}

impl Dashboard {
    pub(crate) fn read() -> Self {
        serde_json::from_str(&fs::read_to_string(deployed("grafana/dashboards/key-backup.json")).unwrap())
            .unwrap()
    }

    /// The panels that show something, which is all but the rows' titles.
    pub(crate) fn shown(&self) -> impl Iterator<Item = &Panel> {
        self.panels.iter().filter(|panel| panel.kind != "row")
    }

    /// A variable.
    pub(crate) fn variable(&self, name: &str) -> &Value {
        self.templating.list.iter().find(|variable| variable["name"] == name).unwrap()
    }
}

impl Panel {
    /// Whether the description says that it is empty as long as all is well.
    pub(crate) fn may_be_empty(&self) -> bool {
        self.description.contains(NO_DATA)
    }
}

/// A query as Grafana sends it, for the worker of these tests.
pub(crate) fn substituted(query: &str) -> String {
    let values = [
        ("$server_name", "example.com"),
        ("$job", "(key_backup)"),
        ("$index", "(1)"),
        ("$bucket_size", "20s"),
    ];
    let query = values.iter().fold(query.to_owned(), |query, (name, value)| query.replace(name, value));
    assert!(!query.contains('$'), "an unknown variable in {query}");
    query
}

/// The metrics in a query that no worker has: misspelt, or gone.
pub(crate) fn unknown_metrics(query: &str) -> Vec<String> {
    let descriptions = Metrics::new("example.com").unwrap().descriptions();
    let known: BTreeSet<&str> = descriptions.iter().map(|metric| metric.name.as_str()).collect();
    let name = Regex::new(r"\b(key_backup|synapse|process)_[a-z_]+").unwrap();
    let is_known = |name: &str| {
        let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        known.contains(name) || histogram.is_some_and(|name| known.contains(name))
    };
    name.find_iter(query).map(|name| name.as_str().to_owned()).filter(|name| !is_known(name)).collect()
}

/// A file in `deploy`.
pub(crate) fn deployed(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(path)
}
