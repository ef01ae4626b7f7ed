//! `cargo xtask torture`: workers under faults for as long as one likes, and a check of all that their clients were answered.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Result, bail};
use key_backup_torture::{Plan, Verdict, check as checked, history};

use crate::{
    cargo::target_folder,
    demo::deployment,
    packages::{self, SERVERS},
    step::step,
};

/// Tortures the worker as it is shipped, and prints the figures. Without a seed it takes one from the clock.
///
/// # Errors
///
/// When what clients were answered is no history; the history is written to `target/torture`.
pub(crate) async fn run(minutes: u64, seed: Option<u64>) -> Result<()> {
    step("system packages", async { packages::ensure_installed(&SERVERS) }).await?;
    let binary = step("key-backup worker, release build", deployment::build()).await?;
    let seed =
        seed.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs()));
    let plan = Plan {
        seed,
        duration: Duration::from_mins(minutes),
        binary,
        workers: 3,
        users: 3,
        clients: 6,
        histories: target_folder()?.join("torture"),
    };
    let summary = step(&format!("{minutes} minutes of torture with seed {seed}"), plan.run()).await?;
    println!("{summary}");
    Ok(())
}

/// Checks a history once more that a run has written down.
///
/// # Errors
///
/// When it is none, or its file cannot be read.
pub(crate) fn check(file: &Path) -> Result<()> {
    let (before, calls) = history::read(file)?;
    match checked(&before, &calls) {
        Verdict::Linearizable { states } => {
            println!("one history of {} calls ({states} states searched)", calls.len());
            Ok(())
        }
        Verdict::Impossible(explanation) => bail!("{explanation}"),
    }
}
