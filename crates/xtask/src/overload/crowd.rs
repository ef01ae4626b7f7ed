//! Clients that ask again as soon as they are answered or refused, whatever `Retry-After` says.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use tokio::{
    task::LocalSet,
    time::{sleep_until, timeout},
};

use super::{mix::Mix, servers::Servers};
use crate::traffic::{Client, usage::Server};

/// What a client reads at once. Answers are short.
const BUFFER: usize = 8 * 1024;

/// Clients come and queues fill in this time, before anything counts.
const SETTLING: Duration = Duration::from_secs(1);

/// Longer than a request may take.
const AS_LONG_AS_IT_TAKES: Duration = Duration::from_mins(1);

/// So many clients with a connection each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crowd {
    pub(super) connections: usize,
    /// Who is not answered in that time closes the connection, and asks on a new one.
    pub(super) patience: Duration,
}

/// What clients have heard, and what it took.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// How long each answer took.
    pub(super) answers: Vec<Duration>,
    /// The same for refusals.
    pub(super) refusals: Vec<Duration>,
    /// Answers that came while the load was on: what a queue holds at its end does not count.
    answers_in_time: u32,
    refusals_in_time: u32,
    given_up: u32,
    time: Duration,
    worker_cpu: Duration,
    load_cpu: Duration,
}

/// When it counts.
#[derive(Debug, Clone, Copy)]
struct Window {
    begin: Instant,
    end: Instant,
}

impl Window {
    fn is_open(self) -> bool {
        (self.begin..self.end).contains(&Instant::now())
    }
}

impl Heard {
    /// Answers a second.
    pub(super) fn throughput(&self) -> f64 {
        f64::from(self.answers_in_time) / self.time.as_secs_f64()
    }

    /// Refusals a second.
    pub(super) fn refused(&self) -> f64 {
        f64::from(self.refusals_in_time) / self.time.as_secs_f64()
    }

    /// Requests a second that nobody waited for any more.
    pub(super) fn given_up(&self) -> f64 {
        f64::from(self.given_up) / self.time.as_secs_f64()
    }

    /// CPU time of the worker, in seconds for each answer.
    pub(super) fn cpu_per_answer(&self) -> f64 {
        self.worker_cpu.as_secs_f64() / f64::from(self.answers_in_time)
    }

    /// The share of a core that the load took.
    pub(super) fn load(&self) -> f64 {
        self.load_cpu.as_secs_f64() / self.time.as_secs_f64()
    }

    /// Adds what others have heard, or the same ones in another round.
    pub(super) fn add(&mut self, other: Self) {
        self.answers.extend(other.answers);
        self.refusals.extend(other.refusals);
        self.answers_in_time += other.answers_in_time;
        self.refusals_in_time += other.refusals_in_time;
        self.given_up += other.given_up;
        self.time += other.time;
        self.worker_cpu += other.worker_cpu;
        self.load_cpu += other.load_cpu;
    }
}

impl Crowd {
    /// So many clients, who wait for their answers.
    pub(super) const fn of(connections: usize) -> Self {
        Self { connections, patience: AS_LONG_AS_IT_TAKES }
    }

    /// Connects all of them, and then lets them ask until they were listened to for that long.
    ///
    /// # Errors
    ///
    /// A connection breaks, or an answer is neither a 200 nor a proper refusal.
    pub(super) async fn ask(self, servers: &Servers, mix: &Rc<Mix>, time: Duration) -> Result<Heard> {
        let mut clients = Vec::new();
        for _ in 0..self.connections {
            clients.push(Client::connect(servers.port, BUFFER).await?);
        }
        let begin = Instant::now() + SETTLING;
        let (window, local) = (Window { begin, end: begin + time }, LocalSet::new());
        let tasks: Vec<_> = clients
            .into_iter()
            .map(|client| local.spawn_local(self.client(client, servers.port, Rc::clone(mix), window)))
            .collect();
        let heard = local.run_until(async {
            let (worker_cpu, load_cpu) = cpu_in(window, servers).await?;
            let mut sum = Heard { time, worker_cpu, load_cpu, ..Heard::default() };
            for task in tasks {
                sum.add(task.await.context("a client panicked")??);
            }
            Ok(sum)
        });
        heard.await
    }

    async fn client(self, mut client: Client, port: u16, mix: Rc<Mix>, window: Window) -> Result<Heard> {
        let mut heard = Heard::default();
        while Instant::now() < window.end {
            let request = mix.next();
            let answer = timeout(self.patience, client.request(&request)).await;
            let counts = u32::from(window.is_open());
            let Ok(answer) = answer else {
                heard.given_up += counts;
                client = Client::connect(port, BUFFER).await?;
                continue;
            };
            let answer = answer?;
            match answer.status {
                200 => {
                    heard.answers.push(answer.time);
                    heard.answers_in_time += counts;
                }
                429 | 503 => {
                    ensure!(answer.has_retry_after, "a {} without Retry-After", answer.status);
                    heard.refusals.push(answer.time);
                    heard.refusals_in_time += counts;
                }
                other => bail!("an answer {other} under load"),
            }
        }
        Ok(heard)
    }
}

/// The CPU time of the worker and of the load.
async fn cpu_in(window: Window, servers: &Servers) -> Result<(Duration, Duration)> {
    let (worker, load) = (servers.process(), Server::process(std::process::id().cast_signed()));
    sleep_until(window.begin.into()).await;
    let before = (worker.cpu()?, load.cpu()?);
    sleep_until(window.end.into()).await;
    Ok((worker.cpu()?.saturating_sub(before.0), load.cpu()?.saturating_sub(before.1)))
}
