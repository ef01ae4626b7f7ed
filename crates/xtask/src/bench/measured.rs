//! What was measured, and the ratios of it.

use std::time::Duration;

use serde_json::{Value, json};

use super::load::Round;
use crate::traffic::percentile;

/// A figure of Synapse's worker and the same of ours.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Both<T> {
    pub(super) synapse: T,
    pub(super) worker: T,
}

impl<T> Both<T> {
    pub(super) fn map<U>(&self, mut of: impl FnMut(&T) -> U) -> Both<U> {
        Both { synapse: of(&self.synapse), worker: of(&self.worker) }
    }
}

/// One round of one server.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) load: Round,
    /// CPU time of the worker, of PostgreSQL and of Redis.
    pub(super) server_cpu: Duration,
    pub(super) database_cpu: Duration,
    pub(super) redis_cpu: Duration,
    /// CPU time of the load itself.
    pub(super) load_cpu: Duration,
    pub(super) written: Written,
}

/// What PostgreSQL has written.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Written {
    /// Bytes of write-ahead log.
    pub(super) wal: u64,
    /// Transactions that changed something.
    pub(super) transactions: u64,
}

impl Written {
    /// What was written from an earlier moment to this one.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            wal: self.wal.saturating_sub(before.wal),
            transactions: self.transactions.saturating_sub(before.transactions),
        }
    }
}

impl Sample {
    /// Milliseconds of one request.
    pub(super) fn per_request(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1000.0 / self.load.requests()
    }

    /// Milliseconds that one request takes in the worker and in PostgreSQL.
    pub(super) fn whole_cpu(&self) -> f64 {
        self.per_request(self.server_cpu + self.database_cpu)
    }

    /// A number of things in the round as one in each request.
    pub(super) fn share(&self, count: u64) -> f64 {
        self.per_request(Duration::from_millis(count))
    }
}

/// One round of PostgreSQL alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct LimitSample {
    pub(super) per_second: f64,
    /// Milliseconds of PostgreSQL's CPU for each.
    pub(super) database_cpu: f64,
}

/// A kind of work with its rounds, made in turns.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) is_restore: bool,
    pub(super) connections: usize,
    pub(super) samples: Both<Vec<Sample>>,
    /// Empty where there is nothing to compare with.
    pub(super) limit: Vec<LimitSample>,
    pub(super) round_trips: Option<Both<usize>>,
    /// The most memory in any round, above what was there before the first, in bytes.
    pub(super) memory_growth: Both<u64>,
}

/// The median of some values, with the least and the most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Spread {
    /// Of an even number of values the median is the mean of the two in the middle; of none all is NaN.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let count = values.len();
        let median = f64::midpoint(at(count.saturating_sub(1) / 2), at(count / 2));
        Self { median, least: at(0), most: at(count.saturating_sub(1)) }
    }

    /// One over it.
    pub(super) fn inverse(self) -> Self {
        Self { median: 1.0 / self.median, least: 1.0 / self.most, most: 1.0 / self.least }
    }
}

impl Measured {
    /// Over the pairs of rounds: what the worker has for what Synapse has.
    pub(super) fn ratio(&self, of: impl Fn(&Sample) -> f64) -> Spread {
        let pairs = self.samples.worker.iter().zip(&self.samples.synapse);
        Spread::of(pairs.map(|(worker, synapse)| of(worker) / of(synapse)))
    }

    /// What the worker's throughput is of PostgreSQL's own, over the rounds of each turn.
    pub(super) fn of_limit(&self) -> Option<Spread> {
        let pairs = self.samples.worker.iter().zip(&self.limit);
        (!self.limit.is_empty())
            .then(|| Spread::of(pairs.map(|(worker, limit)| worker.load.throughput() / limit.per_second)))
    }

    /// The median of each server's rounds.
    pub(super) fn medians(&self, of: impl Fn(&Sample) -> f64) -> Both<f64> {
        self.samples.map(|samples| Spread::of(samples.iter().map(&of)).median)
    }

    /// Everything, for machines.
    pub(super) fn json(&self) -> Value {
        let samples = self.samples.map(|samples| samples.iter().map(sample_json).collect::<Vec<_>>());
        let limit = self.limit.iter().map(
            |limit| json!({ "per_second": limit.per_second, "database_cpu_ms_per_request": limit.database_cpu }),
        );
        json!({
            "id": self.id,
            "work": self.name,
            "connections": self.connections,
            "round_trips_per_request": self.round_trips.map(|both| json!({ "synapse": both.synapse, "worker": both.worker })),
            "memory_growth_bytes": { "synapse": self.memory_growth.synapse, "worker": self.memory_growth.worker },
            "synapse": samples.synapse,
            "worker": samples.worker,
            "postgresql_alone": limit.collect::<Vec<_>>(),
        })
    }
}

fn sample_json(sample: &Sample) -> Value {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    let load = &sample.load;
    json!({
        "requests": load.latencies.len(),
        "seconds": load.time.as_secs_f64(),
        "bytes": load.bytes,
        "p50_ms": milliseconds(percentile(&load.latencies, 50)),
        "p99_ms": milliseconds(percentile(&load.latencies, 99)),
        "first_byte_p50_ms": milliseconds(percentile(&load.first_bytes, 50)),
        "server_cpu_ms_per_request": sample.per_request(sample.server_cpu),
        "database_cpu_ms_per_request": sample.per_request(sample.database_cpu),
        "redis_cpu_ms_per_request": sample.per_request(sample.redis_cpu),
        "load_cpu_ms_per_request": sample.per_request(sample.load_cpu),
        "wal_bytes_per_request": sample.share(sample.written.wal),
        "write_transactions_per_request": sample.share(sample.written.transactions),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A round of a hundred requests in one second for which the worker took so many milliseconds each, and PostgreSQL half of that.
    pub(in super::super) fn sample(milliseconds: u64) -> Sample {
        let time = Duration::from_millis(milliseconds);
        let load = Round {
            latencies: vec![time; 100],
            first_bytes: vec![time; 100],
            bytes: 0,
            time: Duration::from_secs(1),
        };
        Sample {
            load,
            server_cpu: time * 100,
            database_cpu: time * 50,
            redis_cpu: Duration::ZERO,
            load_cpu: Duration::ZERO,
            written: Written::default(),
        }
    }

    pub(in super::super) fn measured(id: &str, synapse: &[u64], worker: &[u64]) -> Measured {
        let samples = |all: &[u64]| all.iter().copied().map(sample).collect();
        Measured {
            id: id.to_owned(),
            name: id.to_owned(),
            is_restore: false,
            connections: 1,
            samples: Both { synapse: samples(synapse), worker: samples(worker) },
            limit: Vec::new(),
            round_trips: None,
            memory_growth: Both::default(),
        }
    }

    #[test]
    fn ratios_are_taken_pair_by_pair_before_the_median() {
        // The machine was half as fast in the second pair.
        let measured = measured("x", &[40, 80, 30], &[10, 20, 10]);
        let ratio = measured.ratio(|sample| sample.per_request(sample.server_cpu)).inverse();
        let rounded =
            Spread { median: ratio.median.round(), least: ratio.least.round(), most: ratio.most.round() };
        assert_eq!(rounded, Spread { median: 4.0, least: 3.0, most: 4.0 });
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]), Spread { median: 2.5, least: 1.0, most: 4.0 });
        assert!(Spread::of([]).median.is_nan());
    }
}
