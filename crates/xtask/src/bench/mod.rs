//! `cargo xtask bench`: the same work on a Synapse generic worker and on this one, in turns, on one database.

mod load;
mod report;
mod usage;
mod work;
mod world;

use std::{fs, time::Duration};

use anyhow::{Context, Result};
use key_backup_testkit::{http::Address, temporary_folder};

use self::{
    report::{HEAD, Measured, Sample},
    usage::Server,
    work::Work,
};
use crate::{
    demo::deployment::{self, Deployment},
    packages::{self, SERVERS},
    step::step,
    synapse,
};

/// How long one round of load takes, how many pairs of rounds there are, and the sizes of backups.
struct Extent {
    round: Duration,
    pairs: usize,
    sizes: &'static [usize],
}

const FULL: Extent =
    Extent { round: Duration::from_secs(5), pairs: 5, sizes: &[0, 1000, 10_000, 100_000, 300_000] };
const QUICK: Extent = Extent { round: Duration::from_secs(2), pairs: 1, sizes: &[0, 1000, 10_000, 100_000] };

/// The two servers under load, and the database that they share.
struct Servers {
    synapse: (u16, Server),
    worker: (u16, Server),
    database: Server,
}

/// Measures all kinds of work, or those whose name contains `only`, and prints a table; figures for machines are written to
/// `target/bench.json`.
///
/// # Errors
///
/// Something does not start, or an answer is not a 200.
pub(crate) async fn run(quick: bool, only: Option<&str>) -> Result<()> {
    let extent = if quick { QUICK } else { FULL };
    step("system packages", async { packages::ensure_installed(&SERVERS) }).await?;
    let venv = step("Synapse's Python environment", async { synapse::venv() }).await?;
    let binary = step("key-backup worker, release build", deployment::build()).await?;
    let folder = temporary_folder()?;
    let deployment = Deployment::start(folder.path(), &venv, binary).await?;
    let database = deployment.synapse.database();
    step("users and their backups", world::make(deployment.postgres.address(), database, extent.sizes))
        .await?;
    let servers = servers(&deployment)?;
    let mut measured = Vec::new();
    for work in
        work::all(extent.sizes).into_iter().filter(|work| only.is_none_or(|only| work.name.contains(only)))
    {
        measured.push(step(&work.name, measure(&work, &servers, &extent)).await?);
        println!("    {}", measured.last().map(Measured::row).unwrap_or_default());
    }
    println!("\n{HEAD}");
    for measured in &measured {
        println!("{}", measured.row());
    }
    let json: Vec<_> = measured.iter().map(Measured::json).collect();
    let file = synapse::target_folder()?.join("bench.json");
    fs::write(&file, serde_json::to_string_pretty(&json)?)?;
    println!("\nAll figures are in {}.", file.display());
    Ok(())
}

fn servers(deployment: &Deployment) -> Result<Servers> {
    let pid = |pid: i32| Server::process(pid);
    Ok(Servers {
        synapse: (
            port(&deployment.synapse.generic_worker())?,
            pid(deployment.synapse.generic_worker_process().pid().as_raw()),
        ),
        worker: (port(deployment.worker.address())?, pid(deployment.worker.process().pid().as_raw())),
        database: Server::postgres(deployment.postgres.process().pid().as_raw()),
    })
}

fn port(address: &Address) -> Result<u16> {
    match address {
        Address::Tcp(address) => Ok(address.port()),
        Address::Unix(_) => None.context("the benchmark needs TCP"),
    }
}

/// One round to warm up, then pairs of rounds in turns.
async fn measure(work: &Work, servers: &Servers, extent: &Extent) -> Result<Measured> {
    let (mut synapse, mut worker) = (Vec::new(), Vec::new());
    for server in [servers.synapse, servers.worker] {
        let make = std::rc::Rc::clone(&work.make);
        load::run(server.0, work.connections, extent.round / 4, make).await?;
    }
    for _ in 0..extent.pairs {
        synapse.push(sample(work, servers.synapse, servers.database, extent).await?);
        worker.push(sample(work, servers.worker, servers.database, extent).await?);
    }
    Ok(Measured { name: work.name.clone(), is_restore: work.is_restore, synapse, worker })
}

async fn sample(
    work: &Work,
    (port, server): (u16, Server),
    database: Server,
    extent: &Extent,
) -> Result<Sample> {
    server.forget_peak()?;
    let (memory, server_cpu, database_cpu) = (server.memory()?, server.cpu()?, database.cpu()?);
    let load = load::run(port, work.connections, extent.round, std::rc::Rc::clone(&work.make)).await?;
    Ok(Sample {
        load,
        server_cpu: server.cpu()?.saturating_sub(server_cpu),
        database_cpu: database.cpu()?.saturating_sub(database_cpu),
        memory_growth: server.peak()?.saturating_sub(memory),
    })
}
