//! The command line: Synapse's own flags, so that unit files and container commands need no change.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::InlineSecrets;

const EXAMPLE: &str = "\
Give it the configuration files of the homeserver and of the worker, as for any Synapse worker:

  key-backup-worker -c homeserver.yaml -c conf.d/ -c workers/key_backup.yaml

It logs to standard error unless `worker_log_config` says otherwise, and tells systemd when it is ready.

Signals: on SIGTERM and SIGINT it finishes the requests in flight and ends; a second one ends it at once. On
SIGHUP it reads certificates and application services anew, and reopens its log file.

Exit status: 0 if it was told to end; 1 with one message if the configuration is wrong or the worker failed; 2 if
the command line is wrong.

Environment: libpq's variables (PGHOST, PGPASSWORD, PGPASSFILE, ...) count where `args` of the database leaves a
value open; NOTIFY_SOCKET and WATCHDOG_USEC are systemd's.";

/// A Synapse worker that serves server-side key backups
#[derive(Debug, Parser)]
#[command(name = "key-backup-worker", version, after_long_help = EXAMPLE)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

impl Cli {
    /// What to do; without a word for it, the worker runs.
    pub fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Run(self.run))
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the worker; the word may be left out
    Run(RunArgs),
    /// Ask the worker that runs with this configuration for its /health; exit status 0 if it is well, else 1
    Healthcheck(RunArgs),
    /// Read the configuration, say what it means to the worker, and open nothing; exit status 0 if it is right, else 1
    CheckConfig(RunArgs),
    /// Check the deployment that this configuration describes; exit status 0 if there is no problem, else 1
    Doctor(DoctorArgs),
}

/// The flags of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Those of `run`.
    #[command(flatten)]
    pub run: RunArgs,
    /// Print one JSON document, for machines
    #[arg(long)]
    pub json: bool,
}

/// The flags of `run`, and of the other commands, which are given the same ones.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A YAML file, or a directory of *.yaml files; repeatable, later files replace whole top-level keys
    #[arg(short = 'c', long = "config-path", value_name = "FILE_OR_DIRECTORY", required = true)]
    pub config_paths: Vec<PathBuf>,
    /// Refuse secrets in the configuration: only the keys that name a file are accepted
    #[arg(long)]
    pub no_secrets_in_config: bool,
    /// Accepted for Synapse's sake: standard output and error are never redirected
    #[arg(short = 'n', long)]
    pub no_redirect_stdio: bool,
    /// Accepted for Synapse's sake: the worker makes no keys
    #[arg(long, value_name = "DIRECTORY")]
    pub keys_directory: Option<PathBuf>,
    /// Refused: the worker stays in the foreground, for a service manager
    #[arg(short = 'D', long, value_parser = refuse_to_daemonize, num_args = 0, default_missing_value = "")]
    pub daemonize: Option<()>,
}

impl RunArgs {
    /// Whether secrets may stand in the configuration.
    pub fn inline_secrets(&self) -> InlineSecrets {
        if self.no_secrets_in_config { InlineSecrets::Refused } else { InlineSecrets::Allowed }
    }
}

/// A unit of `Type=forking` would wait in vain for a worker that ignores the flag: better to say so at once.
fn refuse_to_daemonize(_: &str) -> Result<(), &'static str> {
    Err("the worker stays in the foreground: remove this flag, and let systemd (Type=notify) or another \
         service manager run it")
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, error::ErrorKind};

    use super::*;

    fn run(arguments: &[&str]) -> RunArgs {
        let cli = Cli::try_parse_from([&["key-backup-worker"], arguments].concat()).unwrap();
        let Command::Run(run) = cli.into_command() else { panic!("another command than run") };
        run
    }

    fn paths(arguments: &[&str]) -> Vec<String> {
        run(arguments).config_paths.iter().map(|path| path.display().to_string()).collect()
    }

    fn error(arguments: &[&str]) -> clap::Error {
        Cli::try_parse_from([&["key-backup-worker"], arguments].concat()).unwrap_err()
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_spelling_of_a_config_path_is_understood() {
        assert_eq!(paths(&["-c", "a", "--config-path", "b", "--config-path=c", "-cd"]), ["a", "b", "c", "d"]);
    }

    #[test]
    fn a_leading_run_changes_nothing() {
        assert_eq!(paths(&["run", "--config-path=a", "-c", "b"]), ["a", "b"]);
    }

    #[test]
    fn synapses_other_flags_are_accepted() {
        assert_eq!(paths(&["-n", "--no-redirect-stdio", "--keys-directory", "/data", "-c", "a"][1..]), ["a"]);
        assert_eq!(paths(&["-c", "a", "-n", "--keys-directory=/data"]), ["a"]);
    }

    #[test]
    fn secrets_in_the_config_can_be_refused() {
        assert_eq!(run(&["-c", "a"]).inline_secrets(), InlineSecrets::Allowed);
        assert_eq!(
            run(&["run", "-c", "a", "--no-secrets-in-config"]).inline_secrets(),
            InlineSecrets::Refused
        );
    }

    #[test]
    fn a_command_takes_the_flags_of_the_worker_that_it_looks_at() {
        let cli = Cli::try_parse_from(["worker", "doctor", "--json", "-c", "a", "-n", "-c", "b"]).unwrap();
        let Command::Doctor(doctor) = cli.into_command() else { panic!("another command than doctor") };
        assert!(doctor.json);
        assert_eq!(doctor.run.config_paths.len(), 2);
        let cli =
            Cli::try_parse_from(["worker", "check-config", "--no-secrets-in-config", "-c", "a"]).unwrap();
        assert!(matches!(cli.into_command(), Command::CheckConfig(run) if run.no_secrets_in_config));
    }

    #[test]
    fn no_config_path_is_a_usage_error() {
        assert_eq!(error(&[]).kind(), ErrorKind::MissingRequiredArgument);
        assert_eq!(error(&["run"]).kind(), ErrorKind::MissingRequiredArgument);
    }

    #[test]
    fn daemonizing_is_refused_with_the_reason() {
        for flag in ["-D", "--daemonize"] {
            assert!(error(&["-c", "a", flag]).to_string().contains("stays in the foreground"));
        }
    }

    #[test]
    fn the_version_is_that_of_the_package() {
        let error = error(&["--version"]);
        assert_eq!(error.kind(), ErrorKind::DisplayVersion);
        assert!(error.to_string().contains(env!("CARGO_PKG_VERSION")));
    }
}
