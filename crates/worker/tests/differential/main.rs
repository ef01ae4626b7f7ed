//! The worker beside a real Synapse: the same requests to both, on one database, and the answers compared.
//!
//! Each sequence of `topics` runs once at Synapse's generic worker and once at ours, each time as a fresh user of that
//! homeserver. Statuses, headers and bodies have to be the same, unless the step states a difference that is listed in
//! [`known`]; then they have to differ in just that way.

mod answer;
mod documentation;
mod draft;
mod homeserver;
mod json;
mod known;
mod run;
mod sequence;
mod stated;
mod topics;

use std::sync::Arc;

use anyhow::Result;

use self::homeserver::Homeserver;

/// Sequences in flight at a time: Synapse answers one request after another anyway.
const CONCURRENCY: usize = 12;

#[tokio::test]
async fn the_worker_answers_as_synapse_does_but_for_the_known_differences() -> Result<()> {
    let homeserver = Arc::new(Homeserver::start().await?);
    let sequences = topics::sequences();
    let number = sequences.len();
    let failures = run::all(&homeserver, sequences, CONCURRENCY).await;
    assert!(number >= 120, "only {number} sequences");
    assert!(
        failures.is_empty(),
        "{} of {number} sequences failed:\n\n{}",
        failures.len(),
        failures.join("\n\n")
    );
    Ok(())
}
