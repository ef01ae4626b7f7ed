//! One run: rounds of clients under faults, and after each the check of what they were answered.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use futures_util::future::try_join_all;
use key_backup_testkit::temporary_folder;
use tokio::sync::watch;

use crate::{
    Backup, Summary, Verdict,
    call::{Answer, Answered, Call, Operation},
    check,
    client::Client,
    deployment::{Deployment, Instance},
    fault::{Schedule, Step},
    history, observe,
};

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Decides on the faults and their times, and on what clients want; not on how they meet.
    pub seed: u64,
    /// After that no round begins.
    pub duration: Duration,
    /// The worker's binary.
    pub binary: PathBuf,
    /// How many workers there are.
    pub workers: usize,
    /// How many users there are.
    pub users: usize,
    /// How many clients each user has.
    pub clients: usize,
    /// Gets the history of a round that is impossible.
    pub histories: PathBuf,
}

/// Faults, one after another, in a round. So few that little is unknown at its end.
const STEPS: usize = 2;

/// A user: what there was before the round, and who acts for it.
struct User {
    id: String,
    before: Backup,
    clients: Vec<Client>,
}

struct Run<'a> {
    plan: &'a Plan,
    deployment: Deployment,
    clock: Instant,
    users: Vec<User>,
    schedule: Schedule,
    summary: Summary,
}

impl Plan {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// When a history is impossible, an answer is one that no worker may give, or a worker does not come back after a fault.
    pub async fn run(&self) -> Result<Summary> {
        let folder = temporary_folder()?;
        let deployment = Deployment::start(folder.path(), &self.binary, self.workers).await?;
        let schedule = Schedule::new(self.seed, self.workers);
        let (clock, summary) = (Instant::now(), Summary::new(self.seed));
        let mut run = Run { plan: self, deployment, clock, users: Vec::new(), schedule, summary };
        for number in 0..self.users {
            let user = run.user(number).await?;
            run.users.push(user);
        }
        while clock.elapsed() < self.duration {
            run.round().await.with_context(|| format!("seed {}, round {}", self.seed, run.summary.rounds))?;
        }
        run.summary.took = clock.elapsed();
        Ok(run.summary)
    }
}

impl Run<'_> {
    async fn user(&self, number: usize) -> Result<User> {
        let database = &self.deployment.database;
        let mut account = database.add_user(&format!("user{number}")).await?;
        let mut clients = Vec::new();
        for client in 0..self.plan.clients {
            let workers = self.deployment.workers.iter().map(Instance::address).collect();
            let client = number * self.plan.clients + client;
            clients.push(Client::new(client, account.access_token, workers, self.clock, self.plan.seed));
            account = database.add_device(&account.user_id).await?;
        }
        Ok(User { id: account.user_id, before: Backup::default(), clients })
    }

    async fn round(&mut self) -> Result<()> {
        let steps: Vec<Step> = (0..STEPS).map(|_| self.schedule.step()).collect();
        let (stop, stopped) = watch::channel(false);
        let clients = self.users.iter_mut().flat_map(|user| &mut user.clients);
        let clients = try_join_all(clients.map(|client| client.run(stopped.clone())));
        let faults = async {
            for step in &steps {
                step.run(&mut self.deployment).await.with_context(|| format!("{step:?}"))?;
            }
            stop.send_replace(true);
            Ok(())
        };
        tokio::try_join!(clients, faults).with_context(|| format!("{steps:?}"))?;
        self.deployment.quiesce().await?;
        self.summary.faults(steps.iter().flat_map(|step| &step.faults));
        for number in 0..self.users.len() {
            self.check(number).await.with_context(|| format!("{steps:?}"))?;
        }
        let back = self.deployment.serves(self.users[0].clients[0].access_token()).await?;
        self.summary.round(back);
        Ok(())
    }

    async fn check(&mut self, number: usize) -> Result<()> {
        let user = &mut self.users[number];
        let mut calls: Vec<Call> = user.clients.iter_mut().flat_map(Client::take_calls).collect();
        let began = nanos(self.clock);
        let after = observe::backup(&self.deployment.database, &user.id).await?;
        let answered = Some(Answered { at: nanos(self.clock), answer: Answer::Everything(after.clone()) });
        calls.push(Call { client: 0, worker: 0, operation: Operation::Observe, began, answered });
        match check(&user.before, &calls) {
            Verdict::Linearizable { states } => self.summary.checked(&calls, states),
            Verdict::Impossible(explanation) => {
                let name = format!("seed-{}-{}.json", self.plan.seed, user.id);
                let file = self.plan.histories.join(name);
                fs::create_dir_all(&self.plan.histories)?;
                history::write(&file, &user.before, &calls)?;
                bail!("the history of {} in {} is impossible: {explanation}", user.id, file.display());
            }
        }
        for client in &mut user.clients {
            client.intent.saw(&after);
        }
        user.before = after;
        Ok(())
    }
}

fn nanos(clock: Instant) -> u64 {
    u64::try_from(clock.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
