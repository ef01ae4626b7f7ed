//! Progress on the terminal.

use std::time::Instant;

use anyhow::{Context, Result};

/// Announces a piece of work, does it, and prints how long it took.
///
/// # Errors
///
/// What the work failed with, under the step's name.
pub(crate) async fn step<T>(name: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    println!("==> {name}");
    let start = Instant::now();
    let result = work.await.with_context(|| format!("step \"{name}\""))?;
    println!("    done in {:.1} s", start.elapsed().as_secs_f64());
    Ok(result)
}
