//! Runs sequences and collects what is wrong.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use key_backup_testkit::http::{Client, Connection};
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

use super::{
    answer::{Parts, parts},
    draft::{Draft, Names},
    homeserver::{Homeserver, Server},
    sequence::{Action, Sequence},
    stated,
};

/// No answer is that long in coming.
const PATIENCE: Duration = Duration::from_mins(1);

/// Which server gets which requests.
#[derive(Debug, Clone, Copy)]
struct Lane {
    writes: Server,
    reads: Server,
}

const SYNAPSE: Lane = Lane { writes: Server::Synapse, reads: Server::Synapse };
const WORKER: Lane = Lane { writes: Server::Worker, reads: Server::Worker };
const CROSSWISE: [Lane; 2] = [
    Lane { writes: Server::Worker, reads: Server::Synapse },
    Lane { writes: Server::Synapse, reads: Server::Worker },
];

/// The answers to one step, and who gave them; none for what is no request.
struct Outcome {
    server: Server,
    answers: Vec<Parts>,
}

/// Runs all sequences, so many at a time, and says what is wrong with each that failed.
pub(crate) async fn all(
    homeserver: &Arc<Homeserver>,
    sequences: Vec<Sequence>,
    concurrency: usize,
) -> Vec<String> {
    let permits = Arc::new(Semaphore::new(concurrency));
    let mut running = JoinSet::new();
    for sequence in sequences {
        let (homeserver, permits) = (Arc::clone(homeserver), Arc::clone(&permits));
        running.spawn(async move {
            let _permit = permits.acquire().await;
            let problems = one(&homeserver, &sequence).await;
            let problems = problems.unwrap_or_else(|error| vec![format!("{error:#}")]);
            (!problems.is_empty()).then(|| format!("--- {}\n{}", sequence.name, problems.join("\n")))
        });
    }
    running.join_all().await.into_iter().flatten().collect()
}

async fn one(homeserver: &Homeserver, sequence: &Sequence) -> Result<Vec<String>> {
    let expected = lane(homeserver, sequence, SYNAPSE).await?;
    let others: &[Lane] = if sequence.crosswise { &CROSSWISE } else { &[] };
    let mut problems = Vec::new();
    for other in [&[WORKER], others].concat() {
        let observed = lane(homeserver, sequence, other).await?;
        let found = compare(sequence, &expected, &observed);
        problems.extend(found.into_iter().map(|problem| format!("{other:?}\n{problem}")));
    }
    Ok(problems)
}

fn compare(sequence: &Sequence, expected: &[Outcome], observed: &[Outcome]) -> Vec<String> {
    let mut problems = Vec::new();
    for (number, step) in sequence.steps.iter().enumerate() {
        let (expected, observed) = (&expected[number], &observed[number]);
        let difference = step.difference.as_ref().filter(|_| observed.server == Server::Worker);
        for (synapse, worker) in expected.answers.iter().zip(&observed.answers) {
            let wrong = stated::check(synapse, worker, difference);
            if !wrong.is_empty() {
                problems.push(format!("  step {number}: {:?}\n    {}", step.action, wrong.join("\n    ")));
            }
        }
    }
    problems
}

/// Runs a sequence as a fresh user.
async fn lane(homeserver: &Homeserver, sequence: &Sequence, lane: Lane) -> Result<Vec<Outcome>> {
    let account = homeserver.fresh_user().await?;
    let names = Names { account, administrator: homeserver.administrator_token().to_owned() };
    let mut outcomes = Vec::new();
    for (number, step) in sequence.steps.iter().enumerate() {
        let outcome = timeout(PATIENCE, outcome(homeserver, &names, &step.action, lane)).await;
        outcomes.push(outcome.with_context(|| format!("step {number} takes too long at {lane:?}"))??);
    }
    Ok(outcomes)
}

async fn outcome(homeserver: &Homeserver, names: &Names, action: &Action, lane: Lane) -> Result<Outcome> {
    let mut server = lane.writes;
    let answers = match action {
        Action::Send(drafts) => {
            if drafts.iter().all(Draft::is_read) {
                server = lane.reads;
            }
            send(&mut Connection::open(&homeserver.address(server)).await?, drafts, names).await
        }
        Action::SendAfterContinue(draft, body) => {
            let mut connection = Connection::open(&homeserver.address(server)).await?;
            connection.send(&draft.request(names)).await?;
            let head = connection.read_head().await?;
            ensure!(head.status == 100, "{server:?} does not want the body: {head:?}");
            connection.send_bytes(body.as_bytes()).await?;
            vec![parts(connection.read_response().await)]
        }
        Action::Bytes(bytes) => {
            let mut connection = Connection::open(&homeserver.address(server)).await?;
            connection.send_bytes(names.fill(bytes).as_bytes()).await?;
            vec![parts(connection.read_response().await)]
        }
        Action::Main(draft) => {
            let answer = Client::new(homeserver.main()).send(draft.request(names)).await?;
            ensure!(answer.status < 300, "the main process answers {}: {}", answer.status, answer.text());
            Vec::new()
        }
        Action::Sql(statements) => {
            homeserver.sql(&names.fill(statements)).await?;
            Vec::new()
        }
    };
    Ok(Outcome { server, answers })
}

/// Sends all requests, and only then reads the answers.
async fn send(connection: &mut Connection, drafts: &[Draft], names: &Names) -> Vec<Parts> {
    for draft in drafts {
        // A server that has heard enough answers, or not, and closes: both is for the comparison to see.
        if connection.send(&draft.request(names)).await.is_err() {
            break;
        }
    }
    let mut answers = Vec::new();
    for _ in drafts {
        answers.push(parts(connection.read_response().await));
    }
    answers
}
