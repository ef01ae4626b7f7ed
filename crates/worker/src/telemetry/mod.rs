//! The log: levels, place and format as Synapse's `worker_log_config` says.

mod format;
mod output;

use anyhow::Context;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{Layer, filter::Targets, fmt, layer::SubscriberExt, registry};

use crate::config::{LogFormat, LogSettings};
use format::{JsonLines, SynapseLines};
pub use output::LogHandle;

/// Starts logging for the whole process.
///
/// # Errors
///
/// The log file cannot be opened, or the process logs already.
pub fn start(settings: &LogSettings) -> anyhow::Result<LogHandle> {
    let handle = LogHandle::open(&settings.output)?;
    let layer = fmt::layer().with_writer(handle.clone()).with_ansi(false);
    let layer = match settings.format {
        LogFormat::Text => layer.event_format(SynapseLines).boxed(),
        LogFormat::Json => layer.event_format(JsonLines).boxed(),
    };
    let subscriber = registry().with(layer.with_filter(levels(settings)));
    tracing::subscriber::set_global_default(subscriber).context("the process logs already")?;
    Ok(handle)
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
