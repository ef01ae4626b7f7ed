//! The commands of a developer: `cargo xtask help`.

mod bench;
mod cargo;
mod demo;
mod interrupt;
mod metrics_doc;
mod packages;
mod services;
mod step;
mod synapse;
mod test;

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The commands of a developer of the key-backup worker")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check format, lints, documentation and dependencies, and run all tests on servers started for them
    Test {
        /// What `cargo test` gets: a filter, or options
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Bring up a whole deployment, Synapse included, back keys up and restore them, and stay until Ctrl-C
    Demo {
        /// End when all is shown; exit 0 if all was right
        #[arg(long)]
        check: bool,
    },
    /// Measure this worker against a Synapse worker on the same database, in turns
    Bench {
        /// Fewer sizes and shorter rounds: in all a few minutes
        #[arg(long)]
        quick: bool,
        /// Only the kinds of work whose name contains this
        #[arg(long)]
        only: Option<String>,
    },
    /// Write docs/metrics.md from the metrics that the worker registers
    MetricsDoc,
    /// Start the servers that tests need for `cargo test -p ...`, and stay until Ctrl-C
    Services,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// On the main thread: the kernel ends the services that we start when the thread that started them ends.
fn run(command: Command) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let command = async {
        match command {
            Command::Test { arguments } => test::run(&arguments).await,
            Command::Demo { check } => demo::run(check).await,
            Command::Bench { quick, only } => bench::run(quick, only.as_deref()).await,
            Command::MetricsDoc => metrics_doc::run(),
            Command::Services => services::run().await,
        }
    };
    runtime.block_on(async {
        tokio::select! {
            // First, because a command may itself wait for the signal, as its proper end.
            biased;
            result = command => result,
            result = interrupt::interrupted() => result.and_then(|()| bail!("interrupted")),
        }
    })
}
