//! How often each worker waits for PostgreSQL in one request: a pass of its own, through a [`Tap`], with one request at a time.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, Result};

use crate::traffic::{Client, world::Kind};

use super::{
    deployed::{Deployed, Fresh},
    load::BUFFER,
    measured::Both,
    tap::Tap,
    wire::{Heard, Sent},
    work::Work,
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
        let both = async {
            deployed.before_round(work).await?;
            let (synapse, _) = count(work, targets.synapse.port, &synapse_tap).await?;
            deployed.before_round(work).await?;
            let (worker, sent) = count(work, targets.worker.port, &worker_tap).await?;
            let etag_before = etag(deployed).await? - 1;
            anyhow::Ok(Overheard { round_trips: Both { synapse, worker }, sent, etag_before })
        };
        match both.await {
            Ok(both) => {
                overheard.insert(work.id.clone(), both);
            }
            Err(error) => failures.push(format!("round trips of {}: {error:#}", work.name)),
        }
    }
    Ok(overheard)
}

/// The median over some requests, so that what the worker does of its own accord meanwhile does not count; and what was sent for the
/// last of them.
async fn count(work: &Work, port: u16, tap: &Tap) -> Result<(usize, Vec<Sent>)> {
    let mut client = Client::connect(port, BUFFER).await?;
    let is_long = work.restores.is_some_and(|keys| keys >= 10_000);
    let (before, counted) = if is_long { (0, 1) } else { (BEFORE, COUNTED) };
    let (mut counts, mut sent) = (Vec::new(), Vec::new());
    for request in 0..before + counted {
        tap.take();
        let bytes = (work.make)(0, request).context("the work has no requests")?;
        client.request(&bytes).await?.ok()?;
        tokio::time::sleep(AFTERMATH).await;
        let mut heard = tap.take();
        // A long restore is not repeated, and there is time for much beside it: only the connections that it uses count.
        heard.retain(|heard| !is_long || heard.is_about_keys());
        counts.push(heard.iter().map(|heard| heard.round_trips).sum());
        sent = heard.into_iter().find(Heard::is_about_keys).map(|heard| heard.sent).unwrap_or_default();
    }
    let mut counts: Vec<usize> = counts.split_off(before);
    counts.sort_unstable();
    Ok((counts[counts.len() / 2], sent))
}

async fn etag(deployed: &Deployed) -> Result<i64> {
    let sql = "SELECT etag FROM e2e_room_keys_versions WHERE user_id = $1";
    Ok(deployed.client.query_one(sql, &[&Kind::Uploader.user(0)]).await?.get(0))
}
