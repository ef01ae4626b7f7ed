//! The binary: reads the command line and the configuration, runs the worker, and says how it ended.

use std::process::ExitCode;

use clap::Parser;
use key_backup_worker::{
    app::App,
    cli::{Cli, Command, RunArgs},
    config::{Config, Environment},
    telemetry,
};

fn main() -> ExitCode {
    let Command::Run(arguments) = Cli::parse().into_command();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A person reads it: on standard error, even where the log goes to a file.
            eprintln!("key-backup-worker: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &RunArgs) -> anyhow::Result<()> {
    let config =
        Config::read(&arguments.config_paths, arguments.inline_secrets(), &Environment::of_process())?;
    let log = telemetry::start(&config.log)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    actix_web::rt::System::new().block_on(async {
        let app = App::build(config).await?;
        app.run_until_stopped(log).await
    })
}
