//! One client: it asks for one thing after another and writes down what it is answered.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use key_backup_testkit::http::{Address, Connection};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    call::{Answered, Call, Operation},
    intent::Intent,
    wire::{self, Reply},
};

/// After that a client hangs up. Longer than any fault lasts.
const PATIENCE: Duration = Duration::from_secs(3);
/// As long, while it only wants to see whether it is answered again.
const GLANCE: Duration = Duration::from_millis(300);
/// Between attempts while a worker is down.
const PAUSE: Duration = Duration::from_millis(20);
/// How often in a round a client hangs up after some milliseconds. More would leave too much unknown.
const HANG_UPS: u32 = 2;

/// A client with its token, who knows all workers.
pub(crate) struct Client {
    number: usize,
    access_token: String,
    workers: Vec<watch::Receiver<Address>>,
    clock: Instant,
    pub(crate) intent: Intent,
    hang_ups: u32,
    calls: Vec<Call>,
}

impl Client {
    pub(crate) fn new(
        number: usize,
        access_token: String,
        workers: Vec<watch::Receiver<Address>>,
        clock: Instant,
        seed: u64,
    ) -> Self {
        let intent = Intent::new(seed, number);
        Self { number, access_token, workers, clock, intent, hang_ups: 0, calls: Vec::new() }
    }

    pub(crate) fn access_token(&self) -> &str {
        &self.access_token
    }

    /// Calls until it is told to stop.
    pub(crate) async fn run(&mut self, stop: watch::Receiver<bool>) -> Result<()> {
        self.hang_ups = HANG_UPS;
        while !*stop.borrow() {
            let operation = self.intent.next();
            let patience = self.patience(&operation);
            if self.call(operation, patience).await?.is_none() {
                self.wait_for_an_answer(&stop).await?;
            }
        }
        Ok(())
    }

    /// Its calls since the last time.
    pub(crate) fn take_calls(&mut self) -> Vec<Call> {
        std::mem::take(&mut self.calls)
    }

    /// Looks on until it is answered again: a client that goes on changing things while nothing is answered would leave too much unknown.
    async fn wait_for_an_answer(&mut self, stop: &watch::Receiver<bool>) -> Result<()> {
        while !*stop.borrow() && self.call(Operation::ReadVersion { version: None }, GLANCE).await?.is_none()
        {
            sleep(PAUSE).await;
        }
        Ok(())
    }

    fn patience(&mut self, operation: &Operation) -> Duration {
        if operation.is_change() && self.hang_ups > 0 && self.intent.chance().u8(..50) == 0 {
            self.hang_ups -= 1;
            return Duration::from_micros(self.intent.chance().u64(100..10_000));
        }
        PATIENCE
    }

    /// `None` where nobody answered.
    async fn call(&mut self, operation: Operation, patience: Duration) -> Result<Option<()>> {
        let worker = self.worker();
        let address = self.workers[worker].borrow().clone();
        let began = self.now();
        // Nothing has been asked for yet where nobody listens.
        let Ok(Ok(mut connection)) = timeout(PATIENCE, Connection::open(&address)).await else {
            return Ok(None);
        };
        let request = wire::request(&operation).bearer(&self.access_token);
        let response = timeout(patience, connection.request(&request)).await;
        let at = self.now();
        let reply = match &response {
            Ok(Ok(response)) => wire::reply(&operation, response)
                .with_context(|| format!("client {} asked worker {worker} for {operation:?}", self.number))?,
            _ => Reply::Unknown,
        };
        let answered = match reply {
            Reply::Refused => return Ok(None),
            Reply::Unknown => None,
            Reply::Answer(answer) => {
                self.intent.learn(&operation, &answer);
                Some(Answered { at, answer })
            }
        };
        let is_answered = answered.as_ref().map(drop);
        self.calls.push(Call { client: self.number, worker, operation, began, answered });
        Ok(is_answered)
    }

    /// Mostly its own, so that not all clients wait for one that hangs.
    fn worker(&mut self) -> usize {
        let workers = self.workers.len();
        let chance = self.intent.chance();
        if chance.u8(..4) == 0 { chance.usize(..workers) } else { self.number % workers }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
