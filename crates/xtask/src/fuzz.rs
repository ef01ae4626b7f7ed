//! cargo-fuzz on the targets of `crates/fuzz`, one after another.

use std::fs;

use anyhow::{Result, ensure};

use crate::{
    cargo::{cargo, workspace},
    packages::in_path,
};

/// Fuzzes each target whose name contains `only` for so many minutes. What is found is written below `crates/fuzz/artifacts`.
///
/// # Errors
///
/// When cargo-fuzz is not installed, or has found something.
pub(crate) async fn run(minutes: u32, only: Option<&str>) -> Result<()> {
    ensure!(in_path("cargo-fuzz"), "cargo-fuzz is missing: `cargo install cargo-fuzz --locked`");
    let seconds = format!("-max_total_time={}", minutes * 60);
    // No sanitizer: there is no unsafe code to watch, and a stable compiler has none.
    let fuzz = ["fuzz", "run", "--fuzz-dir", "crates/fuzz", "--sanitizer", "none"];
    for target in targets()?.iter().filter(|target| only.is_none_or(|only| target.contains(only))) {
        println!("==> {target}");
        let options = [target.as_str(), "--", &seconds, "-timeout=20", "-rss_limit_mb=2048"];
        cargo(&[&fuzz[..], &options].concat(), &[]).await?;
    }
    Ok(())
}

/// Each target is a file.
fn targets() -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for file in fs::read_dir(workspace().join("crates/fuzz/fuzz_targets"))? {
        targets.extend(file?.path().file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    targets.sort();
    Ok(targets)
}
