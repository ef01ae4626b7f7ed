//! Throughput with as many clients as the worker serves best, and with far more.

use std::{rc::Rc, time::Duration};

use anyhow::Result;

use super::{
    crowd::{Crowd, Heard},
    mix::Mix,
    servers::Servers,
};

/// `max_requests_in_flight` of a worker with one thread, as it is by default.
const PLACES: usize = 64;

/// Among these is the best number of clients.
const MODERATE: [usize; 4] = [16, 32, 64, 128];

/// How long each of them is tried.
const TRY: Duration = Duration::from_secs(1);

/// Each crowd has so many rounds, in turns with the others.
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(4);

/// Less than `max_queue_time`: who waits is gone before a refusal.
const IMPATIENT: Duration = Duration::from_millis(200);

/// What a crowd has heard in all its rounds.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) crowd: Crowd,
    pub(super) heard: Heard,
    /// The most resident memory of the worker, in bytes.
    pub(super) memory: u64,
}

/// The first row is the best throughput.
///
/// # Errors
///
/// Somebody was not answered properly.
pub(super) async fn measure(servers: &Servers, mix: &Rc<Mix>) -> Result<Vec<Row>> {
    let best = best(servers, mix).await?;
    let impatient = Crowd { patience: IMPATIENT, ..Crowd::of(10 * PLACES) };
    let mut rows = vec![
        Row::new("the best", Crowd::of(best)),
        Row::new("ten times its places", Crowd::of(10 * PLACES)),
        Row::new("thirty times", Crowd::of(30 * PLACES)),
        Row::new("ten times, gone after 200 ms", impatient),
    ];
    for _ in 0..ROUNDS {
        for row in &mut rows {
            row.round(servers, mix).await?;
        }
    }
    Ok(rows)
}

/// The moderate number of clients with the best throughput.
async fn best(servers: &Servers, mix: &Rc<Mix>) -> Result<usize> {
    let mut best = (MODERATE[0], 0.0);
    for connections in MODERATE {
        let throughput = Crowd::of(connections).ask(servers, mix, TRY).await?.throughput();
        println!("    {connections} clients: {throughput:.0} answers/s");
        if throughput > best.1 {
            best = (connections, throughput);
        }
    }
    Ok(best.0)
}

impl Row {
    fn new(name: &'static str, crowd: Crowd) -> Self {
        Self { name, crowd, heard: Heard::default(), memory: 0 }
    }

    async fn round(&mut self, servers: &Servers, mix: &Rc<Mix>) -> Result<()> {
        let worker = servers.process();
        worker.forget_peak()?;
        self.heard.add(self.crowd.ask(servers, mix, ROUND).await?);
        self.memory = self.memory.max(worker.peak()?);
        Ok(())
    }
}
