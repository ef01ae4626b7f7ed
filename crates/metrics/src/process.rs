//! The process itself, and what the stock dashboard needs to find the worker.

use prometheus::{Error, Registry, process_collector::ProcessCollector};

use crate::family::{float_gauges, seconds};

/// Registers what no part of the worker has to update.
pub struct ProcessMetrics;

impl ProcessMetrics {
    /// `process_*` has no `server_name` (the dashboard's panels join it on the instance), so it stands in a registry
    /// of its own.
    pub(crate) fn register(synapse: &Registry, process: &Registry) -> Result<(), Error> {
        process.register(Box::new(ProcessCollector::for_self()))?;
        let version = env!("CARGO_PKG_VERSION");
        let build = float_gauges(
            process,
            "key_backup_build_info",
            "1, labelled with the worker's version.",
            &["version"],
        )?;
        build.with_label_values(&[version]).set(1.0);
        let name = float_gauges(
            synapse,
            "synapse_server_name_info",
            "1: the dashboard joins the process panels on it.",
            &[],
        )?;
        name.with_label_values::<&str>(&[]).set(1.0);
        // The dashboard's variables are filled from this series; the worker's only block is all that it does.
        let blocks = "synapse_util_metrics_block_ru_utime_seconds_total";
        seconds(
            synapse,
            blocks,
            "CPU time by block; present for the dashboard's variables.",
            &["block_name"],
        )?
        .with_label_values(&["key_backup_worker"]);
        Ok(())
    }
}
