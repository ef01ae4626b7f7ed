//! What can break, and how it is mended.

use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;
use key_backup_testkit::services::Shutdown;

use crate::deployment::Deployment;

/// Something that breaks for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// `kill -9` of a worker.
    KillWorker,
    /// A fast shutdown.
    StopPostgres,
    /// An immediate shutdown: the next start recovers as after a crash.
    CrashPostgres,
    /// All of its processes stand still.
    FreezePostgres,
    CutPostgres,
    StallPostgres,
    SlowPostgres,
    KillRedis,
    FreezeRedis,
    FlushRedis,
    CutRedis,
    StallRedis,
    SlowRedis,
}

/// All.
const FAULTS: [Fault; 13] = [
    Fault::KillWorker,
    Fault::StopPostgres,
    Fault::CrashPostgres,
    Fault::FreezePostgres,
    Fault::CutPostgres,
    Fault::StallPostgres,
    Fault::SlowPostgres,
    Fault::KillRedis,
    Fault::FreezeRedis,
    Fault::FlushRedis,
    Fault::CutRedis,
    Fault::StallRedis,
    Fault::SlowRedis,
];

/// What is slowed down arrives so much later, each way.
const DELAY: Duration = Duration::from_millis(40);

/// Faults that happen together, to one of the workers where they are not to a server.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) after: Duration,
    pub(crate) faults: Vec<Fault>,
    pub(crate) worker: usize,
    pub(crate) lasts: Duration,
}

/// The faults to come, by a seed.
pub(crate) struct Schedule {
    chance: Rng,
    /// Every kind comes once before any comes again.
    deck: Vec<Fault>,
    workers: usize,
}

impl Schedule {
    pub(crate) fn new(seed: u64, workers: usize) -> Self {
        Self { chance: Rng::with_seed(seed), deck: Vec::new(), workers }
    }

    /// The next faults: mostly one, now and then two at once.
    pub(crate) fn step(&mut self) -> Step {
        let first = self.draw();
        let mut faults = vec![first];
        if self.chance.u8(..3) == 0 {
            let second = self.draw();
            if second.harms() == first.harms() { self.deck.push(second) } else { faults.push(second) }
        }
        // Workers are mended last: they need the others to start.
        faults.sort();
        Step {
            after: Duration::from_millis(self.chance.u64(100..700)),
            faults,
            worker: self.chance.usize(..self.workers),
            lasts: Duration::from_millis(self.chance.u64(20..900)),
        }
    }

    fn draw(&mut self) -> Fault {
        if self.deck.is_empty() {
            self.deck = FAULTS.to_vec();
            self.chance.shuffle(&mut self.deck);
        }
        self.deck.pop().unwrap_or(Fault::KillWorker)
    }
}

impl Step {
    /// Lets it happen, and mends it.
    pub(crate) async fn run(&self, deployment: &mut Deployment) -> Result<()> {
        tokio::time::sleep(self.after).await;
        for fault in &self.faults {
            fault.inject(deployment, self.worker).await?;
        }
        tokio::time::sleep(self.lasts).await;
        for fault in self.faults.iter().rev() {
            fault.mend(deployment, self.worker).await?;
        }
        Ok(())
    }
}

impl Fault {
    /// What two faults at once may not share.
    fn harms(self) -> &'static str {
        match self {
            Self::KillWorker => "worker",
            Self::StopPostgres
            | Self::CrashPostgres
            | Self::FreezePostgres
            | Self::CutPostgres
            | Self::StallPostgres
            | Self::SlowPostgres => "PostgreSQL",
            Self::KillRedis
            | Self::FreezeRedis
            | Self::FlushRedis
            | Self::CutRedis
            | Self::StallRedis
            | Self::SlowRedis => "Redis",
        }
    }

    async fn inject(self, deployment: &mut Deployment, worker: usize) -> Result<()> {
        let Deployment { workers, redis, postgres, .. } = deployment;
        let worker = &mut workers[worker];
        match self {
            Self::KillWorker => worker.kill().await?,
            Self::StopPostgres => postgres.stop(Shutdown::Fast).await?,
            Self::CrashPostgres => postgres.stop(Shutdown::Immediate).await?,
            Self::FreezePostgres => postgres.pause()?,
            Self::CutPostgres => worker.to_postgres.cut().await,
            Self::StallPostgres => worker.to_postgres.stall(),
            Self::SlowPostgres => worker.to_postgres.slow(DELAY),
            Self::KillRedis => redis.kill().await?,
            Self::FreezeRedis => redis.pause()?,
            Self::FlushRedis => drop(redis.address().command(&["FLUSHALL"])?),
            Self::CutRedis => worker.to_redis.cut().await,
            Self::StallRedis => worker.to_redis.stall(),
            Self::SlowRedis => worker.to_redis.slow(DELAY),
        }
        Ok(())
    }

    async fn mend(self, deployment: &mut Deployment, worker: usize) -> Result<()> {
        let Deployment { workers, redis, postgres, .. } = deployment;
        let worker = &mut workers[worker];
        match self {
            Self::KillWorker => worker.start_again().await?,
            Self::StopPostgres | Self::CrashPostgres => postgres.start_again().await?,
            Self::FreezePostgres => postgres.resume()?,
            Self::CutPostgres | Self::StallPostgres | Self::SlowPostgres => worker.to_postgres.heal().await?,
            Self::KillRedis => redis.restart().await?,
            Self::FreezeRedis => redis.resume()?,
            Self::FlushRedis => {}
            Self::CutRedis | Self::StallRedis | Self::SlowRedis => worker.to_redis.heal().await?,
        }
        Ok(())
    }
}
