//! `cargo xtask overload`: more clients than the worker can serve, and slow ones.
//!
//! The ratios have to be those of the worker and not of the load. So the worker, PostgreSQL and Redis have one core, and the load another one
//! of which it must not use all: the table says how busy that was. What is compared is measured in turns, so that what changes in the
//! machine or the tables meets both alike. Answers that come after a round has ended don't count for its throughput: at the
//! end of a round a queue is full.
//!
//! `crowds` compares numbers of clients, `beside` puts slow clients beside busy ones.

mod beside;
mod cores;
mod crowd;
mod crowds;
mod mix;
mod servers;
mod slow;
mod tables;

use std::rc::Rc;

use anyhow::{Context, Result};
use key_backup_testkit::temporary_folder;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use self::{cores::Cores, mix::Mix, servers::Servers};
use crate::{
    cargo::cargo,
    demo::deployment,
    packages::{self, SERVERS},
    step::step,
};

/// Measures, and prints the figures.
///
/// # Errors
///
/// Somebody was answered with something else than a 200 or a 503 or 429 with `Retry-After`; a slow client was not ended, or an honest slow
/// line was. Never for a figure.
pub(crate) async fn run() -> Result<()> {
    if cfg!(debug_assertions) {
        // The load must not be what limits: without optimisation it would be.
        return cargo(&["run", "--release", "--package", "xtask", "--", "overload"], &[]).await;
    }
    step("system packages", async { packages::ensure_installed(&SERVERS) }).await?;
    let binary = step("key-backup worker, release build", deployment::build()).await?;
    allow_many_connections()?;
    let folder = temporary_folder()?;
    let cores = Cores::choose()?;
    let servers =
        step("PostgreSQL, Redis, users, worker", Servers::start(folder.path(), binary, cores)).await?;
    let mix = Rc::new(Mix::new());
    let rows = step("crowds", crowds::measure(&servers, &mix)).await?;
    println!("\n{}", tables::crowds(&rows));
    let beside = step("slow clients", beside::measure(&servers, &mix)).await?;
    println!("\n{}", tables::beside(&beside));
    Ok(())
}

/// Ours and the worker's: as many as we may have.
fn allow_many_connections() -> Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).context("cannot raise the limit of open files")
}
