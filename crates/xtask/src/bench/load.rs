//! The load: connections that send prepared requests one after another, and time each answer.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use tokio::task::LocalSet;

use crate::traffic::Client;

/// What a connection reads at once: restores come as fast as the server sends them.
pub(super) const BUFFER: usize = 256 * 1024;

/// Makes the bytes of one request out of the number of the connection and of the request on it; `None` when there is nothing
/// left to do.
pub(super) type MakeRequest = Rc<dyn Fn(usize, usize) -> Option<Vec<u8>>>;

/// What a round of load has measured.
#[derive(Debug, Default, Clone)]
pub(super) struct Round {
    /// Time of each request, sorted.
    pub(super) latencies: Vec<Duration>,
    /// Time to the first byte of each body, sorted.
    pub(super) first_bytes: Vec<Duration>,
    /// Bytes of bodies.
    pub(super) bytes: u64,
    /// Of the whole round.
    pub(super) time: Duration,
}

impl Round {
    /// Requests per second.
    pub(super) fn throughput(&self) -> f64 {
        self.requests() / self.time.as_secs_f64()
    }

    pub(super) fn requests(&self) -> f64 {
        f64::from(u32::try_from(self.latencies.len()).unwrap_or(u32::MAX))
    }
}

/// Puts load on a server until the time is over, and at least one request on each connection. Every answer has to be a 200.
pub(super) async fn run(port: u16, connections: usize, time: Duration, make: MakeRequest) -> Result<Round> {
    let started = Instant::now();
    let local = LocalSet::new();
    let tasks: Vec<_> = (0..connections)
        .map(|number| local.spawn_local(connection(port, number, started + time, Rc::clone(&make))))
        .collect();
    let rounds = local.run_until(async {
        let mut rounds = Vec::new();
        for task in tasks {
            rounds.push(task.await.context("a connection of the load panicked")??);
        }
        anyhow::Ok(rounds)
    });
    let mut sum = Round::default();
    for round in rounds.await? {
        sum.latencies.extend(round.latencies);
        sum.first_bytes.extend(round.first_bytes);
        sum.bytes += round.bytes;
    }
    sum.time = started.elapsed();
    sum.latencies.sort_unstable();
    sum.first_bytes.sort_unstable();
    Ok(sum)
}

async fn connection(port: u16, number: usize, end: Instant, make: MakeRequest) -> Result<Round> {
    let mut client = Client::connect(port, BUFFER).await?;
    let mut round = Round::default();
    for request in 0.. {
        if Instant::now() >= end && request > 0 {
            break;
        }
        let Some(bytes) = make(number, request) else { break };
        let answer = client.request(&bytes).await?.ok()?;
        round.latencies.push(answer.time);
        round.first_bytes.push(answer.first_byte);
        round.bytes += answer.length;
    }
    Ok(round)
}
