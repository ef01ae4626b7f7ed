//! Rounds of load, in turns.

use std::{rc::Rc, time::Duration};

use anyhow::Result;

use super::{
    deployed::{Deployed, Fresh, Target},
    limit, load,
    measured::{Both, Measured, Sample},
    plan::Plan,
    progress::Progress,
    round_trips::Overheard,
    work::{self, Work},
};
use crate::traffic::usage::Server;

/// Lets both workers warm up, and then each do its rounds.
pub(super) async fn measure(
    work: &Work,
    overheard: Option<&Overheard>,
    deployed: &Deployed,
    plan: &Plan,
    progress: &mut Progress,
) -> Result<Measured> {
    progress.note(&work.name, "warming up");
    let fresh = fresh_for_restores(work, deployed).await?;
    let targets = fresh.as_ref().map_or_else(|| deployed.targets(), Fresh::targets)?;
    warm_up(work, targets, deployed, plan).await?;
    let mut memory = Both { synapse: Memory::of(targets.synapse)?, worker: Memory::of(targets.worker)? };
    let alone = limit::prepare(work, overheard, deployed).await?;
    let (mut samples, mut limit) = (Both::<Vec<Sample>>::default(), Vec::new());
    let pairs = plan.pairs(work);
    for pair in 1..=pairs {
        progress.note(&work.name, &format!("pair {pair} of {pairs}"));
        samples.synapse.push(sample(work, targets.synapse, deployed, plan.round).await?);
        memory.synapse.look()?;
        samples.worker.push(sample(work, targets.worker, deployed, plan.round).await?);
        memory.worker.look()?;
        deployed.before_round(work).await?;
        limit.extend(limit::run(&alone, deployed, plan.round).await?);
    }
    Ok(Measured {
        id: work.id.clone(),
        name: work.name.clone(),
        is_restore: work.restores.is_some(),
        connections: work.connections,
        samples,
        limit,
        round_trips: overheard.map(|overheard| overheard.round_trips),
        memory_growth: memory.map(Memory::growth),
    })
}

/// Workers that have done much already would hide the memory of a restore in what they keep for later.
async fn fresh_for_restores(work: &Work, deployed: &Deployed) -> Result<Option<Fresh>> {
    match work.restores {
        Some(_) => deployed.start_fresh(&work.id).await.map(Some),
        None => Ok(None),
    }
}

/// What a restore needs to be warm, polls of the same backup make so.
async fn warm_up(work: &Work, targets: Both<Target>, deployed: &Deployed, plan: &Plan) -> Result<()> {
    let polls = work.restores.map(work::poll);
    let first = polls.as_ref().unwrap_or(work);
    let time = (plan.round / 3).max(Duration::from_millis(500));
    for target in [targets.synapse, targets.worker] {
        deployed.before_round(first).await?;
        load::run(target.port, first.connections, time, Rc::clone(&first.make)).await?;
    }
    Ok(())
}

async fn sample(work: &Work, target: Target, deployed: &Deployed, time: Duration) -> Result<Sample> {
    deployed.before_round(work).await?;
    let load = Server::process(std::process::id().cast_signed());
    let used =
        || anyhow::Ok([target.server.cpu()?, deployed.database.cpu()?, deployed.redis.cpu()?, load.cpu()?]);
    let (written, before) = (deployed.written().await?, used()?);
    let round = load::run(target.port, work.connections, time, Rc::clone(&work.make)).await?;
    let after = used()?;
    let [server_cpu, database_cpu, redis_cpu, load_cpu] =
        std::array::from_fn(|index| after[index].saturating_sub(before[index]));
    let written = deployed.written().await?.since(written);
    Ok(Sample { load: round, server_cpu, database_cpu, redis_cpu, load_cpu, written })
}

/// Resident memory, from before the first round on.
struct Memory {
    target: Target,
    before: u64,
    peak: u64,
}

impl Memory {
    fn of(target: Target) -> Result<Self> {
        target.server.forget_peak()?;
        let before = target.server.memory()?;
        Ok(Self { target, before, peak: before })
    }

    fn look(&mut self) -> Result<()> {
        self.peak = self.peak.max(self.target.server.peak()?);
        Ok(())
    }

    fn growth(&self) -> u64 {
        self.peak.saturating_sub(self.before)
    }
}
