//! Parts of a request, under the names of Synapse's `synapse.util.metrics`.

use std::time::Duration;

use prometheus::{Counter, Error, IntCounter, IntGauge};

use crate::{
    Work,
    family::{Registry, counters, gauges, seconds},
    work::{WorkCounters, WorkFamily},
};

/// The parts of a request that are measured for themselves. The stock dashboard fills its variables from these series.
pub struct BlockMetrics {
    /// Finding out who asks.
    pub authenticate: Block,
    /// Reading a request's body: most of it is waiting for the client.
    pub read_body: Block,
    /// Reading a page of a restore.
    pub restore_page: Block,
}

/// One part.
pub struct Block {
    name: &'static str,
    count: IntCounter,
    time: Counter,
    in_flight: IntGauge,
    work: WorkCounters,
}

/// A part that has begun; it ends when this is dropped.
pub struct BlockInFlight<'a>(&'a Block);

impl BlockMetrics {
    #[rustfmt::skip]
    pub(crate) fn new(registry: &Registry) -> Result<Self, Error> {
        let name = |suffix: &str| format!("synapse_util_metrics_block_{suffix}");
        let labels = &["block_name"];
        let count = counters(registry, &name("count_total"), "Times that a part of a request was done.", labels)?;
        let time = seconds(registry, &name("time_seconds_total"), "Seconds that parts of requests took.", labels)?;
        let in_flight = gauges(registry, &name("in_flight_total"), "Parts of requests that are being done.", labels)?;
        let work = WorkFamily::new(registry, "synapse_util_metrics_block", "parts of requests", labels)?;
        let block = |name: &'static str| Block {
            name,
            count: count.with_label_values(&[name]),
            time: time.with_label_values(&[name]),
            in_flight: in_flight.with_label_values(&[name]),
            work: work.with(&[name]),
        };
        Ok(Self { authenticate: block("authenticate"), read_body: block("read_body"), restore_page: block("restore_page") })
    }
}

impl Block {
    /// Its name in metrics.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// It begins.
    pub fn begin(&self) -> BlockInFlight<'_> {
        self.in_flight.inc();
        BlockInFlight(self)
    }
}

impl BlockInFlight<'_> {
    /// It was done, which took so long and was so much work.
    pub fn done(self, time: Duration, work: &Work) {
        self.0.count.inc();
        self.0.time.inc_by(time.as_secs_f64());
        self.0.work.add(work);
    }
}

impl Drop for BlockInFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.dec();
    }
}
