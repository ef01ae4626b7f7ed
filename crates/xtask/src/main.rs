//! The commands of a developer: `cargo xtask help`.

mod bench;
mod cargo;
mod demo;
mod dist;
mod fuzz;
mod interrupt;
mod metrics_doc;
mod overload;
mod packages;
mod process;
mod python;
mod schemathesis;
mod services;
mod step;
mod synapse;
mod test;
mod torture;
mod traffic;

use std::{path::PathBuf, process::ExitCode};

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
        /// Fewer sizes and shorter rounds; the documentation stays as it is
        #[arg(long)]
        quick: bool,
        /// Only the kinds of work whose name contains this
        #[arg(long)]
        only: Option<String>,
    },
    /// Break workers, networks and servers under load, and check that every user has had one history
    Torture {
        /// How long
        #[arg(long, default_value_t = 5)]
        minutes: u64,
        /// The same faults and wishes of clients as another run with this seed
        #[arg(long)]
        seed: Option<u64>,
        /// Break nothing, but check this history again, which another run has written down
        #[arg(long, conflicts_with_all = ["minutes", "seed"])]
        history: Option<PathBuf>,
    },
    /// Ask the worker for ten times what it can do, and put 1,500 slow clients beside busy ones
    Overload,
    /// Fuzz everything that reads what others write
    Fuzz {
        /// How long, for each target
        #[arg(long, default_value_t = 5)]
        minutes: u32,
        /// Only the targets whose name contains this
        #[arg(long)]
        only: Option<String>,
    },
    /// Hold docs/openapi.yaml against the worker
    Schemathesis {
        /// How many requests of each operation in each phase
        #[arg(long, default_value_t = 100)]
        examples: u32,
    },
    /// Make what operators get: archive, Debian package (with cargo-deb), bill of materials, checksums
    Dist,
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
            Command::Torture { history: Some(file), .. } => torture::check(&file),
            Command::Torture { minutes, seed, history: None } => torture::run(minutes, seed).await,
            Command::Overload => overload::run().await,
            Command::Fuzz { minutes, only } => fuzz::run(minutes, only.as_deref()).await,
            Command::Schemathesis { examples } => schemathesis::run(examples).await,
            Command::Dist => dist::run().await,
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
