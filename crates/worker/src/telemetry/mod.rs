//! The log: levels, place and format as Synapse's `worker_log_config` says. And traces, where the worker's own settings ask for them.

mod format;
mod output;

use anyhow::Context;
use key_backup_traces::{SetupError, Traces};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{Layer, filter::Targets, fmt, layer::SubscriberExt, registry};

use crate::config::{Config, LogSettings};
pub use output::LogHandle;

/// Starts logging for the whole process.
///
/// # Errors
///
/// The log file cannot be opened, or the process logs already.
pub fn start(settings: &LogSettings) -> anyhow::Result<LogHandle> {
    let handle = LogHandle::open(&settings.output)?;
    let layer = fmt::layer().with_writer(handle.clone()).with_ansi(false).event_format(settings.format);
    let subscriber = registry().with(layer.with_filter(levels(settings)));
    tracing::subscriber::set_global_default(subscriber).context("the process logs already")?;
    Ok(handle)
}

/// Starts to export traces; `None` where that is not configured.
///
/// # Errors
///
/// The collector's address cannot be used.
pub fn traces(config: &Config) -> Result<Option<Traces>, SetupError> {
    let start = |otlp| Traces::start(otlp, &config.worker_name, env!("CARGO_PKG_VERSION"));
    config.own.otlp.as_ref().map(start).transpose()
}

/// The level of each logger. Synapse's loggers that this worker has not are of no effect. The HTTP server's own lines
/// about its threads are for its developers, and those about connections tell as errors what strangers do wrong.
fn levels(settings: &LogSettings) -> Targets {
    let loggers = settings.loggers.iter().map(|(name, level)| (name.clone(), *level));
    Targets::new()
        .with_default(settings.level)
        .with_target("actix", settings.level.min(LevelFilter::WARN))
        .with_target("actix_http::h1", LevelFilter::OFF)
        .with_targets(loggers)
}
