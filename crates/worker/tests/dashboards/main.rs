//! Metrics, dashboards and alerts, on the programs that read them.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod dashboard;
mod exposition;
mod live;
mod load;
mod restores;
mod rules;
mod structure;
mod synapse;
