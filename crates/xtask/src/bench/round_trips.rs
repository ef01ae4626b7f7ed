//! How often each worker waits for PostgreSQL in one request: a pass of its own, through a [`Tap`], with one request at a time.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, Result};

use super::{
    deployed::{Deployed, Fresh},
    load::Client,
    measured::Both,
    tap::Tap,
    wire::Sent,
    work::Work,
    world::Kind,
};

/// Requests that are sent first, so that connections are made, statements prepared and caches filled.
const BEFORE: usize = 3;
const COUNTED: usize = 5;

/// A worker may tidy its connection up after it has answered; that belongs to the request, too.
const AFTERMATH: Duration = Duration::from_millis(30);

/// What was overheard of one work.
#[derive(Debug, Default)]
pub(super) struct Overheard {
    /// Round trips of one request.
    pub(super) round_trips: Both<usize>,
    /// What our worker sent to PostgreSQL for its last request.
    pub(super) sent: Vec<Sent>,
    /// The etag that the first uploader's backup had before that request.
    pub(super) etag_before: i64,
}

/// Overhears all these works, by their ids. A work that fails has no entry, and a line in `failures`.
pub(super) async fn overhear(
    works: &[Work],
    deployed: &Deployed,
    failures: &mut Vec<String>,
) -> Result<HashMap<String, Overheard>> {
    let target = deployed.postgres_address();
    let (synapse_tap, worker_tap) = (Tap::start(target).await?, Tap::start(target).await?);
    let fresh = Fresh {
        synapse: deployed
            .start_synapse_worker("overheard", &deployed.database_yaml(synapse_tap.port))
            .await?,
        worker: deployed.start_worker("overheard", &deployed.database_yaml(worker_tap.port)).await?,
    };
    let targets = fresh.targets()?;
    let mut overheard = HashMap::new();
    // Eight restores at once are eight times one.
    for work in works.iter().filter(|work| work.restores.is_none() || work.connections == 1) {
        let count = async {
            deployed.before_round(work).await?;
            let synapse = count(work, targets.synapse.port, &synapse_tap).await?;
            deployed.before_round(work).await?;
            let worker = count(work, targets.worker.port, &worker_tap).await?;
            anyhow::Ok(Both { synapse, worker })
        };
        match count.await {
            Ok(round_trips) => {
                let sent = main_flight(worker_tap.take_sent());
                let etag_before = etag(deployed).await? - 1;
                overheard.insert(work.id.clone(), Overheard { round_trips, sent, etag_before });
            }
            Err(error) => failures.push(format!("round trips of {}: {error:#}", work.name)),
        }
    }
    Ok(overheard)
}

/// The median over some requests, so that what the worker does of its own accord meanwhile does not count.
async fn count(work: &Work, port: u16, tap: &Tap) -> Result<usize> {
    let mut client = Client::connect(port).await?;
    // A long restore is told apart from what happens beside it without being repeated.
    let (before, counted) =
        if work.restores.is_some_and(|keys| keys >= 10_000) { (0, 1) } else { (BEFORE, COUNTED) };
    let mut counts = Vec::new();
    for request in 0..before + counted {
        tap.take_sent();
        let start = tap.round_trips();
        let bytes = (work.make)(0, request).context("the work has no requests")?;
        client.request(&bytes).await?;
        tokio::time::sleep(AFTERMATH).await;
        counts.push(tap.round_trips() - start);
    }
    let mut counts = counts.split_off(before);
    counts.sort_unstable();
    Ok(counts[counts.len() / 2])
}

async fn etag(deployed: &Deployed) -> Result<i64> {
    let sql = "SELECT etag FROM e2e_room_keys_versions WHERE user_id = $1";
    Ok(deployed.client.query_one(sql, &[&Kind::Uploader.user(0)]).await?.get(0))
}

/// What went over the connection that the request was served on.
fn main_flight(connections: Vec<Vec<Sent>>) -> Vec<Sent> {
    let is_main = |sent: &Vec<Sent>| sent.iter().any(|sent| sent.sql().contains("e2e_room_keys"));
    connections.into_iter().find(is_main).unwrap_or_default()
}
