//! The binary: reads the command line and the configuration, runs the worker, and says how it ended.

use std::{io, process::ExitCode};

use clap::Parser;
use key_backup_worker::{
    app::App,
    check_config,
    cli::{Cli, Command, RunArgs},
    config::{Config, Environment},
    doctor, healthcheck, telemetry,
};

fn main() -> ExitCode {
    let done = match Cli::parse().into_command() {
        Command::Run(arguments) => run(&arguments),
        Command::Healthcheck(arguments) => {
            config(&arguments).and_then(|config| healthcheck::ask(&config.listeners))
        }
        Command::CheckConfig(arguments) => {
            config(&arguments).and_then(|config| check_config::print(&config, &mut io::stdout()))
        }
        Command::Doctor(arguments) => {
            return doctor::run(config(&arguments.run), arguments.json, &mut io::stdout());
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A person reads it: on standard error, even where the log goes to a file.
            eprintln!("key-backup-worker: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn config(arguments: &RunArgs) -> anyhow::Result<Config> {
    Ok(Config::read(&arguments.config_paths, arguments.inline_secrets(), &Environment::of_process())?)
}

fn run(arguments: &RunArgs) -> anyhow::Result<()> {
    let config = config(arguments)?;
    let log = telemetry::start(&config.log)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let traces = telemetry::traces(&config)?;
    let ended = actix_web::rt::System::new().block_on(async {
        let app = App::build(config, traces.clone()).await?;
        app.run_until_stopped(log).await
    });
    if let Some(traces) = traces {
        traces.finish();
    }
    ended
}
