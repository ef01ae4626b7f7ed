//! What a generic worker of Synapse shows under this load, this worker shows too.

use std::{collections::BTreeSet, path::Path, time::Duration};

use anyhow::{Result, bail};
use key_backup_testkit::{
    Worker,
    http::{Address, Client},
    services::{Postgres, Redis, Synapse, SynapseVenv},
    temporary_folder,
};
use regex_lite::Regex;

use crate::{
    exposition::{Samples, Series, scrape},
    load::Load,
};

/// Series of Synapse's that this worker doesn't have, as regular expressions, and why.
const EXCEPTIONS: [(&str, &str); 10] = [
    (
        r#"cache_max_size\{name="(_?get_.*device.*|_get_e2e_device_keys_.*|get_user_by_id)""#,
        "caches of Synapse's in which nothing is looked up under this load",
    ),
    ("python_gc_", "there is no garbage collector"),
    ("python_twisted_", "the event loop is another; see key_backup_http_thread_delay_seconds"),
    (r#"threadpool_.*"default""#, "Twisted's threads for calls that block; here nothing blocks"),
    (r#"query_time.*verb="SET""#, "the settings of a new connection are no query of a transaction"),
    ("stream_current_position", "no stream is written or followed by position"),
    (r#"block_name="repl\."#, "no stream is written"),
    (
        r#"caches_.*name="(DeviceListStreamChangeCache|get_all_device_list_changes)""#,
        "device lists don't concern a key backup",
    ),
    (
        r#"caches_.*name="(get_user_locked_status|mark_access_token_as_used)""#,
        "remembered with the token: get_user_by_access_token",
    ),
    (
        r#"desc="(count_e2e_room_keys|create_e2e_room_keys_version_txn|get_e2e_room_keys_multi|get_user_locked_status|update_e2e_room_key)""#,
        "part of a larger statement: add_e2e_room_keys, create_e2e_room_keys_version, get_user_by_access_token",
    ),
];

#[tokio::test]
async fn every_series_that_moves_at_a_synapse_worker_exists_here() {
    let folder = temporary_folder().unwrap();
    let redis = Redis::start(&folder.path().join("redis")).await.unwrap();
    let (venv, postgres) = (SynapseVenv::from_env().unwrap(), Postgres::from_env().unwrap());
    let folder = folder.path().join("synapse");
    let yaml = "enable_metrics: true\n";
    let synapse = Synapse::start_with(&venv, &folder, &postgres, redis.address(), yaml).await.unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_key-backup-worker"));
    let worker = Worker::configure(binary).file(synapse.config()).metrics().start().await.unwrap();
    let theirs = Client::new(synapse.generic_worker());
    let before = settled(&theirs).await.unwrap();
    put_load(&synapse, synapse.generic_worker(), "theirs").await.unwrap();
    put_load(&synapse, worker.address().clone(), "ours").await.unwrap();
    // A scrape is a request that the next scrape shows.
    scrape(&worker.client()).await.unwrap();
    let (theirs, ours) = (scrape(&theirs).await.unwrap(), scrape(&worker.client()).await.unwrap());
    let moved = moved(&before, &theirs);
    assert!(moved.len() > 100, "Synapse has shown only {} series that move", moved.len());
    let missing: Vec<String> = moved
        .into_iter()
        .filter(|series| !ours.contains_key(series))
        .map(|series| series.to_string())
        .collect();
    compare(&missing);
}

/// A scrape of a process that has finished what it does at its start.
async fn settled(client: &Client) -> Result<Samples> {
    let work = |samples: &Samples| -> f64 {
        let counts =
            ["synapse_storage_transaction_time_count_total", "synapse_background_process_start_count_total"];
        samples
            .iter()
            .filter(|(series, _)| counts.contains(&series.name.as_str()))
            .map(|(_, count)| count)
            .sum()
    };
    let mut before = scrape(client).await?;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = scrape(client).await?;
        if (work(&now) - work(&before)).abs() < 0.5 {
            return Ok(now);
        }
        before = now;
    }
    bail!("Synapse never comes to rest")
}

/// Both processes get the same requests, of a user each.
async fn put_load(synapse: &Synapse, address: Address, user: &str) -> Result<()> {
    let user = synapse.register(user).await?;
    let load = Load::begin(Client::new(address).as_user(&user.access_token)).await?;
    for round in 0..3 {
        load.round(round).await?;
    }
    load.end().await
}

fn moved(before: &Samples, after: &Samples) -> BTreeSet<Series> {
    // Other background processes and transactions run by the clock, whatever the load is.
    let is_of_the_load = |series: &Series| match (
        series.name.starts_with("synapse_background_process_"),
        series.labels.get("desc"),
    ) {
        (true, _) => ["process-replication-data", "send-cmd"].contains(&series.labels["name"].as_str()),
        (false, Some(desc)) => ["room_key", "access_token", "locked"].iter().any(|part| desc.contains(part)),
        (false, None) => true,
    };
    let is_theirs = |series: &Series| {
        ["synapse_", "process_", "python_"].iter().any(|start| series.name.starts_with(start))
            && is_of_the_load(series)
    };
    let has_moved = |series: &Series, value: f64| (value - before.get(series).unwrap_or(&0.0)).abs() > 0.0;
    after
        .iter()
        .filter(|(series, value)| is_theirs(series) && has_moved(series, **value))
        .map(|(series, _)| series.clone())
        .collect()
}

/// What is missing has to be an exception.
fn compare(missing: &[String]) {
    let exceptions: Vec<Regex> = EXCEPTIONS.iter().map(|(pattern, _)| Regex::new(pattern).unwrap()).collect();
    let is_exception = |series: &str| exceptions.iter().any(|exception| exception.is_match(series));
    let unexpected: Vec<&String> = missing.iter().filter(|series| !is_exception(series)).collect();
    assert!(unexpected.is_empty(), "only Synapse has these: {unexpected:#?}");
}
