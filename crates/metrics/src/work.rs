//! What a piece of work costs, in the seven counters that Synapse keeps for requests, background processes and blocks alike.

use std::time::Duration;

use prometheus::{
    CounterVec, Error, IntCounterVec,
    core::{AtomicF64, AtomicU64, GenericCounter},
};

use crate::{
    CpuTime,
    family::{Registry, counters, seconds},
};

/// CPU time, and work that PostgreSQL was given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// CPU time.
    pub cpu: CpuTime,
    /// Transactions on PostgreSQL.
    pub transactions: u64,
    /// Time in them.
    pub transaction_time: Duration,
    /// Time spent waiting for a connection.
    pub connection_wait: Duration,
}

impl Work {
    /// Both together.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        self.cpu += other.cpu;
        self.transactions += other.transactions;
        self.transaction_time += other.transaction_time;
        self.connection_wait += other.connection_wait;
        self
    }
}

/// The counters of [`Work`] under one of Synapse's prefixes.
pub(crate) struct WorkFamily {
    cpu_user: CounterVec,
    cpu_system: CounterVec,
    transactions: IntCounterVec,
    transaction_time: CounterVec,
    connection_wait: CounterVec,
}

/// The counters of one kind of work.
pub(crate) struct WorkCounters {
    cpu_user: GenericCounter<AtomicF64>,
    cpu_system: GenericCounter<AtomicF64>,
    transactions: GenericCounter<AtomicU64>,
    transaction_time: GenericCounter<AtomicF64>,
    connection_wait: GenericCounter<AtomicF64>,
}

impl WorkFamily {
    /// `of` ends the help texts: whose work it is.
    pub(crate) fn new(registry: &Registry, prefix: &str, of: &str, labels: &[&str]) -> Result<Self, Error> {
        let name = |suffix: &str| format!("{prefix}_{suffix}");
        let help = |what: &str| format!("{what} of {of}.");
        Ok(Self {
            cpu_user: seconds(
                registry,
                &name("ru_utime_seconds_total"),
                &help("CPU seconds in user mode"),
                labels,
            )?,
            cpu_system: seconds(
                registry,
                &name("ru_stime_seconds_total"),
                &help("CPU seconds in the kernel"),
                labels,
            )?,
            transactions: counters(
                registry,
                &name("db_txn_count_total"),
                &help("Transactions on PostgreSQL"),
                labels,
            )?,
            transaction_time: seconds(
                registry,
                &name("db_txn_duration_seconds_total"),
                &help("Seconds in transactions"),
                labels,
            )?,
            connection_wait: seconds(
                registry,
                &name("db_sched_duration_seconds_total"),
                &help("Seconds spent waiting for a connection to PostgreSQL"),
                labels,
            )?,
        })
    }

    pub(crate) fn with(&self, labels: &[&str]) -> WorkCounters {
        WorkCounters {
            cpu_user: self.cpu_user.with_label_values(labels),
            cpu_system: self.cpu_system.with_label_values(labels),
            transactions: self.transactions.with_label_values(labels),
            transaction_time: self.transaction_time.with_label_values(labels),
            connection_wait: self.connection_wait.with_label_values(labels),
        }
    }
}

impl WorkCounters {
    pub(crate) fn add(&self, work: &Work) {
        self.add_cpu(work.cpu);
        self.transactions.inc_by(work.transactions);
        self.transaction_time.inc_by(work.transaction_time.as_secs_f64());
        self.connection_wait.inc_by(work.connection_wait.as_secs_f64());
    }

    pub(crate) fn add_cpu(&self, cpu: CpuTime) {
        self.cpu_user.inc_by(cpu.user.as_secs_f64());
        self.cpu_system.inc_by(cpu.system.as_secs_f64());
    }
}
