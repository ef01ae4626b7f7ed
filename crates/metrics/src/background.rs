//! What runs besides requests, under the names of Synapse's `synapse.metrics.background_process_metrics`.

use std::{future::Future, sync::Arc};

use prometheus::{Error, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use crate::{
    Work,
    cpu::metered_into,
    family::{Registry, counters, gauges},
    work::{WorkCounters, WorkFamily},
};

/// Counts background processes by their names.
pub struct BackgroundMetrics {
    started: IntCounterVec,
    in_flight: IntGaugeVec,
    work: WorkFamily,
}

/// One kind of background process. Cheap to clone.
#[derive(Clone)]
pub struct BackgroundProcess {
    counters: Arc<Counters>,
}

struct Counters {
    started: IntCounter,
    in_flight: IntGauge,
    work: WorkCounters,
}

/// Ends a process also where it is dropped.
struct InFlight<'a>(&'a IntGauge);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl BackgroundMetrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, Error> {
        let name = |suffix: &str| format!("synapse_background_process_{suffix}");
        let labels = &["name"];
        Ok(Self {
            started: counters(
                registry,
                &name("start_count_total"),
                "Background processes that were started.",
                labels,
            )?,
            in_flight: gauges(registry, &name("in_flight_count"), "Background processes that run.", labels)?,
            work: WorkFamily::new(registry, "synapse_background_process", "background processes", labels)?,
        })
    }

    /// The background process of that name.
    pub fn process(&self, name: &'static str) -> BackgroundProcess {
        let labels = &[name];
        let counters = Counters {
            started: self.started.with_label_values(labels),
            in_flight: self.in_flight.with_label_values(labels),
            work: self.work.with(labels),
        };
        BackgroundProcess { counters: Arc::new(counters) }
    }
}

impl BackgroundProcess {
    /// Runs one process of this kind, and counts the CPU time of each moment in which it does something.
    pub async fn run<F: Future>(&self, process: F) -> F::Output {
        let Counters { started, in_flight, work } = &*self.counters;
        started.inc();
        in_flight.inc();
        let _in_flight = InFlight(in_flight);
        metered_into(process, |cpu| work.add_cpu(cpu)).await
    }

    /// A process of this kind has caused this work besides its CPU time, which is counted by [`Self::run`].
    pub fn worked(&self, work: &Work) {
        self.counters.work.add(work);
    }
}
