//! `key_backup_worker.otlp`: whether and where traces are exported.

use key_backup_traces::OtlpSettings;

use super::{
    ConfigError,
    node::{Node, or},
};

/// Reads the section.
pub(super) fn read(node: &Node<'_>) -> Result<OtlpSettings, ConfigError> {
    let section = node.section()?;
    if let Some((_, unknown)) =
        section.entries().find(|(key, _)| !["endpoint", "sampling_ratio"].contains(key))
    {
        return Err(unknown.error("no such setting; there are endpoint, sampling_ratio"));
    }
    let endpoint = section.require("endpoint", "the collector's address")?.http_url()?;
    Ok(OtlpSettings { endpoint, sampling_ratio: or(section.get("sampling_ratio"), ratio, 1.0)? })
}

fn ratio(node: &Node<'_>) -> Result<f64, ConfigError> {
    let ratio = node.scalar().ok().and_then(|text| text.parse().ok());
    ratio.filter(|ratio| (0.0..=1.0).contains(ratio)).ok_or_else(|| node.expected("a number from 0 to 1"))
}
