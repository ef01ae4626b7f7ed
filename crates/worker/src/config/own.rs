//! `key_backup_worker`: the settings that Synapse does not have.

use std::{num::NonZeroUsize, thread, time::Duration};

use key_backup_api::LimitSettings;
use key_backup_traces::OtlpSettings;

use super::{
    ConfigError, LogFormat,
    files::Files,
    limits,
    node::{Node, optional},
    otlp,
};

/// The section `key_backup_worker`.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnSettings {
    /// `threads`: how many threads serve HTTP. Default: one per core.
    pub threads: NonZeroUsize,
    /// `shutdown_grace`: how long requests in flight may take to finish once the worker is told to stop. Default: 30 s.
    pub shutdown_grace: Duration,
    /// `cors_max_age`: how long browsers may remember a preflight; zero sends no `Access-Control-Max-Age`.
    /// Default: 24 h.
    pub cors_max_age: Duration,
    /// `counts_lifetime`: how long a count of keys in Redis is used at most. Default: 10 min.
    pub counts_lifetime: Duration,
    /// `max_connections`: connections of clients, on all listeners together. Default: 10,000.
    pub max_connections: usize,
    /// `otlp`: where traces go. Default: nowhere, and nothing is traced.
    pub otlp: Option<OtlpSettings>,
    /// What clients can take besides.
    pub limits: LimitSettings,
}

impl Default for OwnSettings {
    fn default() -> Self {
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            threads,
            max_connections: 10_000,
            otlp: None,
            limits: limits::defaults(threads.get()),
            shutdown_grace: Duration::from_secs(30),
            cors_max_age: Duration::from_hours(24),
            counts_lifetime: Duration::from_mins(10),
        }
    }
}

/// Reads the section, and the log format that it may set in place of the one of `worker_log_config`.
pub(super) fn read(files: &Files) -> Result<(OwnSettings, Option<LogFormat>), ConfigError> {
    const KNOWN: [&str; 7] = [
        "counts_lifetime",
        "cors_max_age",
        "log_format",
        "max_connections",
        "otlp",
        "shutdown_grace",
        "threads",
    ];
    let mut settings = OwnSettings::default();
    let mut log_format = None;
    let Some(section) = optional(files.get("key_backup_worker"), Node::section)? else {
        return Ok((settings, log_format));
    };
    if let Some(node) = section.get("threads") {
        settings.threads = threads(&node)?;
        settings.limits = limits::defaults(settings.threads.get());
    }
    for (key, node) in section.entries() {
        match key {
            _ if !KNOWN.contains(&key) && !limits::KNOWN.contains(&key) => {
                let mut known = [&KNOWN[..], &limits::KNOWN[..]].concat();
                known.sort_unstable();
                return Err(node.error(format!("no such setting; there are {}", known.join(", "))));
            }
            _ if node.is_null() => {}
            _ if limits::KNOWN.contains(&key) => limits::read(&mut settings.limits, key, &node)?,
            "max_connections" => settings.max_connections = node.integer(1..=1_000_000)?,
            "otlp" => settings.otlp = Some(otlp::read(&node)?),
            "threads" => {}
            "shutdown_grace" => settings.shutdown_grace = node.duration()?,
            "cors_max_age" => settings.cors_max_age = node.duration()?,
            "counts_lifetime" => settings.counts_lifetime = node.duration()?,
            _ => log_format = Some(format(&node)?),
        }
    }
    Ok((settings, log_format))
}

/// A budget that the longest body does not fit would refuse it for ever: the default grows with it, and none else is taken.
pub(super) fn fit_memory(files: &Files, own: &mut OwnSettings, longest: usize) -> Result<(), ConfigError> {
    let longest = longest as u64;
    let section = optional(files.get("key_backup_worker"), Node::section)?;
    match section.and_then(|section| section.get("max_body_memory")) {
        None => own.limits.max_body_memory = own.limits.max_body_memory.max(longest),
        Some(node) if own.limits.max_body_memory < longest => {
            return Err(
                node.expected(&format!("no less than the longest body of a request, {longest} bytes"))
            );
        }
        Some(_) => {}
    }
    Ok(())
}

fn threads(node: &Node<'_>) -> Result<NonZeroUsize, ConfigError> {
    let threads = node.integer(1..=1024)?;
    NonZeroUsize::new(threads).ok_or_else(|| node.expected("at least 1"))
}

fn format(node: &Node<'_>) -> Result<LogFormat, ConfigError> {
    match node.text() {
        Ok("text") => Ok(LogFormat::Text),
        Ok("json") => Ok(LogFormat::Json),
        _ => Err(node.expected("text or json")),
    }
}
