//! How long the workers take to start, and what they use when they have nothing to do.

use std::time::{Duration, Instant};

use anyhow::Result;
use key_backup_testkit::Process;
use serde_json::{Value, json};

use super::{
    deployed::Deployed,
    measured::{Both, Spread},
};
use crate::traffic::usage::Server;

/// Memory is looked at after so much idleness.
const IDLE: Duration = Duration::from_secs(1);

/// The starts of one worker.
#[derive(Debug, Default, Clone)]
pub(super) struct Starts {
    /// Seconds from the execution of the program to the first 200 of `/health`, which is asked for every 10 ms.
    seconds: Vec<f64>,
    /// Resident memory afterwards, in MiB.
    idle: Vec<f64>,
}

impl Starts {
    pub(super) fn seconds(&self) -> f64 {
        Spread::of(self.seconds.iter().copied()).median
    }

    pub(super) fn idle(&self) -> f64 {
        Spread::of(self.idle.iter().copied()).median
    }

    pub(super) fn json(&self) -> Value {
        json!({ "seconds_to_health": self.seconds, "idle_mebibytes": self.idle })
    }

    async fn add(&mut self, time: Duration, process: &Process) -> Result<()> {
        tokio::time::sleep(IDLE).await;
        self.seconds.push(time.as_secs_f64());
        let kibibytes = u32::try_from(Server::process(process.pid().as_raw()).memory()? / 1024)?;
        self.idle.push(f64::from(kibibytes) / 1024.0);
        Ok(())
    }
}

/// Starts another of each, in turns.
pub(super) async fn measure(deployed: &Deployed, times: usize) -> Result<Both<Starts>> {
    let mut starts = Both::<Starts>::default();
    for number in 0..times {
        let name = format!("started{number}");
        let begun = Instant::now();
        let synapse = deployed.start_synapse_worker(&name, "").await?;
        starts.synapse.add(begun.elapsed(), synapse.process()).await?;
        drop(synapse);
        let begun = Instant::now();
        let worker = deployed.start_worker(&name, "").await?;
        starts.worker.add(begun.elapsed(), worker.process()).await?;
    }
    Ok(starts)
}
