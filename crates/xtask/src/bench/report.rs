//! What was measured, as a table and as JSON.

use std::{fmt::Write, time::Duration};

use serde_json::{Value, json};

use super::load::{Round, percentile};

/// One round of one server.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) load: Round,
    pub(super) server_cpu: Duration,
    pub(super) database_cpu: Duration,
    pub(super) memory_growth: u64,
}

/// A kind of work, with the rounds of both servers, made in turns.
pub(super) struct Measured {
    pub(super) name: String,
    pub(super) is_restore: bool,
    pub(super) synapse: Vec<Sample>,
    pub(super) worker: Vec<Sample>,
}

impl Measured {
    /// The median over the pairs of rounds of what the worker has for what Synapse has, with the least and the most.
    fn ratio(&self, of: impl Fn(&Sample) -> f64) -> (f64, f64, f64) {
        let pairs = self.worker.iter().zip(&self.synapse);
        let mut ratios: Vec<f64> = pairs.map(|(worker, synapse)| of(worker) / of(synapse)).collect();
        ratios.sort_by(f64::total_cmp);
        let at = |index: usize| ratios.get(index).copied().unwrap_or(f64::NAN);
        (at(ratios.len() / 2), at(0), at(ratios.len().saturating_sub(1)))
    }

    /// A line of the table.
    pub(super) fn row(&self) -> String {
        let (faster, least, most) = self.ratio(|sample| sample.load.throughput());
        let (cpu, ..) = self.ratio(|sample| per_request(sample, sample.server_cpu));
        let (database, ..) = self.ratio(|sample| per_request(sample, sample.database_cpu));
        let (synapse, worker) = (middle(&self.synapse), middle(&self.worker));
        let mut row = format!(
            "| {} | {:.1} | {:.1} | **{faster:.1} ×** ({least:.1}–{most:.1}) ",
            self.name,
            synapse.load.throughput(),
            worker.load.throughput()
        );
        for sample in [synapse, worker] {
            let (half, most) =
                (percentile(&sample.load.latencies, 50), percentile(&sample.load.latencies, 99));
            let _ = write!(row, "| {} / {} ", milliseconds(half), milliseconds(most));
        }
        let _ = write!(row, "| 1/{:.1} | 1/{:.1} ", 1.0 / cpu, 1.0 / database);
        if self.is_restore {
            let first = |sample: &Sample| milliseconds(percentile(&sample.load.first_bytes, 50));
            let _ = write!(
                row,
                "| {} → {} | {} → {} |",
                megabytes(synapse.memory_growth),
                megabytes(worker.memory_growth),
                first(synapse),
                first(worker)
            );
        } else {
            row.push_str("| | |");
        }
        row
    }

    /// Everything, for machines.
    pub(super) fn json(&self) -> Value {
        let samples = |samples: &[Sample]| samples.iter().map(sample_json).collect::<Vec<_>>();
        json!({ "work": self.name, "synapse": samples(&self.synapse), "worker": samples(&self.worker) })
    }
}

/// The head of the table.
pub(super) const HEAD: &str = "\
| work | Synapse, requests/s | worker, requests/s | throughput | Synapse p50 / p99 ms | worker p50 / p99 ms | server CPU a request | database CPU a request | memory growth, MB | first byte, ms |
|---|---|---|---|---|---|---|---|---|---|";

fn middle(samples: &[Sample]) -> &Sample {
    let mut sorted: Vec<&Sample> = samples.iter().collect();
    sorted.sort_by(|left, right| left.load.throughput().total_cmp(&right.load.throughput()));
    sorted[sorted.len() / 2]
}

fn per_request(sample: &Sample, time: Duration) -> f64 {
    time.as_secs_f64() / sample.load.requests()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}

fn megabytes(bytes: u64) -> u64 {
    bytes / (1 << 20)
}

fn sample_json(sample: &Sample) -> Value {
    json!({
        "requests": sample.load.latencies.len(),
        "seconds": sample.load.time.as_secs_f64(),
        "bytes": sample.load.bytes,
        "p50_ms": percentile(&sample.load.latencies, 50).as_secs_f64() * 1000.0,
        "p99_ms": percentile(&sample.load.latencies, 99).as_secs_f64() * 1000.0,
        "first_byte_p50_ms": percentile(&sample.load.first_bytes, 50).as_secs_f64() * 1000.0,
        "server_cpu_seconds": sample.server_cpu.as_secs_f64(),
        "database_cpu_seconds": sample.database_cpu.as_secs_f64(),
        "memory_growth_bytes": sample.memory_growth,
    })
}
