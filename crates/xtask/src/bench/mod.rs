//! `cargo xtask bench`: the same work on a Synapse generic worker and on this one, in turns, on one database.
//!
//! `plan` says what is measured and `work` what that is; `round_trips` overhears the workers through a proxy, `rounds` lets them
//! work in turns, `limit` lets PostgreSQL do the same alone; `report` writes it down.

mod capacity;
mod charts;
mod deployed;
mod limit;
mod load;
mod machine;
mod measured;
mod page;
mod plan;
mod progress;
mod report;
mod round_trips;
mod rounds;
mod script;
mod start;
mod svg;
mod tables;
mod tap;
mod wire;
mod work;

use std::time::Duration;

use anyhow::{Result, ensure};
use key_backup_testkit::{services::SynapseVenv, temporary_folder};

use self::{
    deployed::{Deployed, UNLIMITED},
    machine::Machine,
    plan::{FULL, Plan, QUICK},
    progress::Progress,
    report::Report,
    work::Work,
};
use crate::{
    cargo::{cargo, target_folder, workspace},
    demo::deployment::{self, Deployment},
    packages::{self, SERVERS},
    step::step,
    synapse,
    traffic::world,
};

/// Measures all kinds of work, or those whose name contains `only`. A full run writes `docs/performance.md`; another one leaves its
/// figures in the target folder.
///
/// # Errors
///
/// Something does not start, or a work has failed; the others are measured all the same.
pub(crate) async fn run(quick: bool, only: Option<&str>) -> Result<()> {
    if cfg!(debug_assertions) {
        return optimised(quick, only).await;
    }
    let plan = if quick { QUICK } else { FULL };
    if let Some(left_out) = plan.left_out() {
        println!("{left_out}");
    }
    step("system packages", async { packages::ensure_installed(&SERVERS) }).await?;
    let venv = step("Synapse's Python environment", async { synapse::venv() }).await?;
    let binary = step("key-backup worker, release build", deployment::build()).await?;
    let folder = temporary_folder()?;
    let deployment = Deployment::start(folder.path(), &venv, binary.clone(), UNLIMITED).await?;
    let (postgres, database) = (deployment.postgres.address(), deployment.synapse.database());
    step("users and their backups", world::make(postgres, database, plan.sizes)).await?;
    let deployed = Deployed::new(deployment, venv.clone(), binary, folder.path()).await?;
    let mut works = plan.works();
    works.retain(|work| only.is_none_or(|only| work.name.contains(only)));
    let mut failures = Vec::new();
    let report = measure(&works, &deployed, &venv, &plan, &mut failures).await?;
    println!("\n{}", report.text());
    let is_complete = !quick && only.is_none() && failures.is_empty();
    let figures =
        if is_complete { workspace().join("docs/performance") } else { target_folder()?.join("bench") };
    report.write_figures(&figures)?;
    println!("JSON and charts are in {}.", figures.display());
    if is_complete {
        report.write_page(&workspace().join("docs/performance.md"))?;
    }
    ensure!(failures.is_empty(), "not everything was measured:\n{}", failures.join("\n"));
    Ok(())
}

/// The load must not be what limits: without optimisation it would be.
async fn optimised(quick: bool, only: Option<&str>) -> Result<()> {
    let mut arguments = vec!["run", "--release", "--package", "xtask", "--", "bench"];
    if quick {
        arguments.push("--quick");
    }
    if let Some(only) = only {
        arguments.extend(["--only", only]);
    }
    cargo(&arguments, &[]).await
}

/// All measurements; those that fail have a line in `failures`.
async fn measure(
    works: &[Work],
    deployed: &Deployed,
    venv: &SynapseVenv,
    plan: &Plan,
    failures: &mut Vec<String>,
) -> Result<Report> {
    let starts = step("starts", start::measure(deployed, plan.starts)).await;
    let starts = starts.map_err(|error| failures.push(format!("{error:#}"))).ok();
    let overheard = step("round trips", round_trips::overhear(works, deployed, failures)).await;
    let overheard = overheard.map_err(|error| failures.push(format!("{error:#}"))).unwrap_or_default();
    let estimates: Vec<Duration> = works.iter().map(|work| plan.estimate(work)).collect();
    let mut progress = Progress::new(estimates);
    let mut measured = Vec::new();
    for work in works {
        match rounds::measure(work, overheard.get(&work.id), deployed, plan, &mut progress).await {
            Ok(figures) => {
                progress.done(&tables::ratio_row(&figures));
                measured.push(figures);
            }
            Err(error) => {
                progress.done(&format!("{} FAILED: {error:#}", work.name));
                failures.push(format!("{}: {error:#}", work.name));
            }
        }
    }
    Ok(Report { machine: Machine::look(venv), starts, measured })
}
