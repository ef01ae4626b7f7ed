//! The process itself, and what the stock dashboard needs to find the worker.

use std::sync::{Mutex, PoisonError};

use nix::sys::utsname::uname;
use prometheus::{Counter, Error, core::Collector, process_collector::ProcessCollector};

use crate::{
    CpuTime,
    family::{Description, Registry, gauges, seconds},
};

/// What is read from the system at each scrape.
pub(crate) struct ProcessMetrics {
    cpu_user: Counter,
    cpu_system: Counter,
    told: Mutex<CpuTime>,
}

impl ProcessMetrics {
    /// `process_*` has no `server_name` (the dashboard's panels join it on the instance), so it stands in a registry
    /// of its own.
    pub(crate) fn new(synapse: &Registry, process: &Registry) -> Result<Self, Error> {
        let collector = ProcessCollector::for_self();
        let descriptions = describe(&collector);
        process.add_described(collector, descriptions)?;
        let cpu = |name, help| -> Result<Counter, Error> {
            Ok(seconds(process, name, help, &[])?.with_label_values::<&str>(&[]))
        };
        describe_build(process)?;
        let name = gauges(
            synapse,
            "synapse_server_name_info",
            "1: the stock dashboard joins the process panels on it.",
            &[],
        )?;
        name.with_label_values::<&str>(&[]).set(1);
        Ok(Self {
            cpu_user: cpu("process_cpu_user_seconds_total", "CPU seconds of the process in user mode.")?,
            cpu_system: cpu("process_cpu_system_seconds_total", "CPU seconds of the process in the kernel.")?,
            told: Mutex::default(),
        })
    }

    /// Brings the counters up to date, for a scrape.
    pub(crate) fn observe(&self) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let now = CpuTime::of_process();
        let new = now.since(*told);
        self.cpu_user.inc_by(new.user.as_secs_f64());
        self.cpu_system.inc_by(new.system.as_secs_f64());
        *told = now;
    }
}

fn describe_build(process: &Registry) -> Result<(), Error> {
    let version = env!("CARGO_PKG_VERSION");
    let own =
        gauges(process, "key_backup_build_info", "1, labelled with the worker's version.", &["version"])?;
    own.with_label_values(&[version]).set(1);
    let help = "1, labelled with the worker's name and version and with the system's: for the stock dashboard's \"Deployed versions\".";
    let synapse = gauges(process, "synapse_build_info", help, &["version", "osversion"])?;
    let system = uname().map_or_else(
        |_| String::new(),
        |name| format!("{}-{}", name.sysname().to_string_lossy(), name.release().to_string_lossy()),
    );
    synapse.with_label_values(&[&format!("key-backup-worker {version}"), &system]).set(1);
    Ok(())
}

fn describe(collector: &ProcessCollector) -> Vec<Description> {
    let kind = |name: &str| if name.ends_with("_total") { "counter" } else { "gauge" };
    let describe = |desc: &prometheus::core::Desc| Description {
        name: desc.fq_name.clone(),
        kind: kind(&desc.fq_name),
        labels: Vec::new(),
        help: desc.help.clone(),
    };
    collector.desc().into_iter().map(describe).collect()
}
