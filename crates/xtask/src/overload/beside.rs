//! Busy users, alone and beside slow clients, in turns.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use tokio::{task::JoinSet, time::sleep};

use super::{
    crowd::{Crowd, Heard},
    mix::Mix,
    servers::Servers,
    slow,
};

/// Slow clients of each kind.
const EACH: usize = 500;

/// They come over this time: slow clients, not a crowd at one moment.
const ARRIVAL: Duration = Duration::from_secs(5);

/// Busy users, and how long they are listened to in each round: less than `slow_client_timeout`, so that the slow are there until its end.
const BUSY: Crowd = Crowd::of(4);
const ROUND: Duration = Duration::from_secs(10);
const ROUNDS: usize = 3;

/// What may still be connected when all slow clients are gone: the honest lines, and who asks for the metric.
const OTHERS: i64 = 3;

/// How long their end may take: `slow_client_timeout` from when the last of them was last looked at, and much to spare.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often the worker is asked whether they are gone.
const TICK: Duration = Duration::from_millis(100);

/// The reasons by which the worker counts whom it has ended or refused, in the order of [`Beside::ended`].
const REASONS: [&[&str]; 4] =
    [&["slow_head"], &["slow_body"], &["slow_answer"], &["restores", "user_restores"]];

/// What was measured.
#[derive(Default)]
pub(super) struct Beside {
    /// A pair for each round: alone, and beside slow clients.
    pub(super) rounds: Vec<[Heard; 2]>,
    /// The most open connections.
    pub(super) connections: i64,
    /// Resident memory of the worker before and at the most, in bytes.
    pub(super) memory: [u64; 2],
    /// Slow clients that were ended for a slow head, body or answer, and restores that were refused for want of places.
    pub(super) ended: [i64; 4],
    /// Bytes that came and went over honest slow lines, and how long that took.
    pub(super) lines: Vec<(&'static str, usize, Duration)>,
}

/// Measures, and holds the worker to its word.
///
/// # Errors
///
/// Somebody was not answered properly, a slow client was not ended, or an honest line was.
pub(super) async fn measure(servers: &Servers, mix: &Rc<Mix>) -> Result<Beside> {
    let mut measured = Beside::default();
    let (worker, port, before) = (servers.process(), servers.port, counts(servers).await?);
    worker.forget_peak()?;
    measured.memory[0] = worker.memory()?;
    let mut lines = JoinSet::new();
    lines.spawn(timed("restore", slow::restore_over_a_line(port)));
    lines.spawn(timed("upload", slow::upload_over_a_line(port)));
    for _ in 0..ROUNDS {
        measured.round(servers, mix).await?;
    }
    while let Some(line) = lines.join_next().await {
        measured.lines.push(line??);
    }
    measured.memory[1] = worker.peak()?;
    let after = counts(servers).await?;
    measured.ended = std::array::from_fn(|kind| after[kind] - before[kind]);
    let [heads, bodies, answers, refused] = measured.ended;
    let all = i64::try_from(EACH * ROUNDS)?;
    ensure!(
        [heads, bodies, answers + refused] == [all; 3],
        "of {all} of each kind, ended: {:?}",
        measured.ended
    );
    Ok(measured)
}

impl Beside {
    async fn round(&mut self, servers: &Servers, mix: &Rc<Mix>) -> Result<()> {
        let alone = BUSY.ask(servers, mix, ROUND).await?;
        let mut slow = arrive(servers.port);
        let beside = BUSY.ask(servers, mix, ROUND).await?;
        self.rounds.push([alone, beside]);
        self.connections = self.connections.max(connections(servers).await?);
        let started = Instant::now();
        while connections(servers).await? > OTHERS {
            ensure!(started.elapsed() < PATIENCE, "slow clients are still connected");
            sleep(TICK).await;
        }
        // Those who are left read what is still on the way.
        while let Some(ended) = slow.try_join_next() {
            ended.context("a slow client panicked")??;
        }
        Ok(())
    }
}

/// Slow clients of all kinds, one after another.
fn arrive(port: u16) -> JoinSet<Result<()>> {
    let mut slow = JoinSet::new();
    for number in 0..EACH {
        let pause = ARRIVAL * u32::try_from(number).unwrap_or_default() / u32::try_from(EACH).unwrap_or(1);
        slow.spawn(after(pause, slow::say_nothing(port)));
        slow.spawn(after(pause, slow::send_slowly(port, number)));
        slow.spawn(after(pause, slow::read_slowly(port, number)));
    }
    slow
}

async fn after<T>(pause: Duration, then: impl Future<Output = T>) -> T {
    sleep(pause).await;
    then.await
}

async fn timed(
    name: &'static str,
    line: impl Future<Output = Result<usize>>,
) -> Result<(&'static str, usize, Duration)> {
    let started = Instant::now();
    let bytes = line.await?;
    Ok((name, bytes, started.elapsed()))
}

async fn connections(servers: &Servers) -> Result<i64> {
    servers.worker.metric("key_backup_connections", &[]).await
}

async fn counts(servers: &Servers) -> Result<[i64; 4]> {
    let mut counts = [0; 4];
    for (count, reasons) in counts.iter_mut().zip(REASONS) {
        for reason in reasons {
            let label = format!("reason=\"{reason}\"");
            *count += servers.worker.metric("key_backup_refused_total", &[&label]).await?;
        }
    }
    Ok(counts)
}
