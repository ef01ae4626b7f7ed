//! What the worker takes from `worker_log_config`, a file for Python's `logging.config.dictConfig`.

use std::{collections::BTreeMap, path::PathBuf};

use tracing::level_filters::LevelFilter;

use super::{
    ConfigError,
    files::{self, Files},
    node::{Node, Section, optional, or},
};

/// How and where the worker logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// The level of loggers that have none of their own.
    pub level: LevelFilter,
    /// Levels by logger, in Synapse's names, such as `synapse.access`. A level holds for what is below a name too.
    pub loggers: BTreeMap<String, LevelFilter>,
    /// Where the lines go.
    pub output: LogOutput,
    /// How the lines look.
    pub format: LogFormat,
}

/// Where log lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogOutput {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// Appended to a file, which something else rotates.
    File(PathBuf),
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Synapse's standard format.
    Text,
    /// One JSON object per line, as Synapse's `TerseJsonFormatter`.
    Json,
}

impl Default for LogSettings {
    /// What Synapse does without a log config: text on standard error, from INFO.
    fn default() -> Self {
        Self {
            level: LevelFilter::INFO,
            loggers: BTreeMap::new(),
            output: LogOutput::Stderr,
            format: LogFormat::Text,
        }
    }
}

/// Reads the file that `worker_log_config` names, if it names one.
pub(super) fn read(files: &Files, warnings: &mut Vec<String>) -> Result<LogSettings, ConfigError> {
    let Some(path) = files.get("worker_log_config") else { return Ok(LogSettings::default()) };
    let file = path.path()?;
    let tree = files::read_yaml(&file)?;
    let config = Node::new(&tree, &file, "").section()?;
    let root = optional(config.get("root"), Node::section)?;
    let level = root.as_ref().and_then(|root| root.get("level"));
    let (output, format) = match handler(&config, root.as_ref(), warnings)? {
        Some(handler) => (output(&handler)?, format(&config, &handler)?),
        None => (LogOutput::Stderr, LogFormat::Text),
    };
    Ok(LogSettings {
        level: or(level, self::level, LevelFilter::INFO)?,
        loggers: loggers(&config)?,
        output,
        format,
    })
}

fn loggers(config: &Section<'_>) -> Result<BTreeMap<String, LevelFilter>, ConfigError> {
    let mut levels = BTreeMap::new();
    let Some(loggers) = config.get("loggers") else { return Ok(levels) };
    for (name, logger) in loggers.section()?.entries() {
        if let Some(node) = logger.section()?.get("level") {
            levels.insert(name.to_owned(), level(&node)?);
        }
    }
    Ok(levels)
}

/// Python's level, by name or number.
fn level(node: &Node<'_>) -> Result<LevelFilter, ConfigError> {
    let number = match node.text() {
        Ok("CRITICAL" | "FATAL") => 50,
        Ok("ERROR") => 40,
        Ok("WARNING" | "WARN") => 30,
        Ok("INFO") => 20,
        Ok("DEBUG") => 10,
        Ok("NOTSET") => 0,
        Ok(_) => return Err(node.expected("one of CRITICAL, ERROR, WARNING, INFO, DEBUG, NOTSET")),
        Err(_) => node.integer(0..=u32::MAX)?,
    };
    Ok(match number {
        51.. => LevelFilter::OFF,
        31..=50 => LevelFilter::ERROR,
        21..=30 => LevelFilter::WARN,
        11..=20 => LevelFilter::INFO,
        1..=10 => LevelFilter::DEBUG,
        0 => LevelFilter::TRACE,
    })
}

/// The first of the root's handlers that writes somewhere the worker can write too.
fn handler<'a>(
    config: &Section<'a>,
    root: Option<&Section<'a>>,
    warnings: &mut Vec<String>,
) -> Result<Option<Section<'a>>, ConfigError> {
    let names = or(root.and_then(|root| root.get("handlers")), Node::items, Vec::new())?;
    let mut chosen = None;
    for name in &names {
        let handler = writer(config, name)?;
        match (&handler, &chosen) {
            (None, _) => warnings.push(format!("{}: the worker has no such handler", name.place())),
            (Some(_), None) => chosen = handler,
            (Some(_), Some(_)) => {
                warnings.push(format!("{}: the worker logs to one place only, the first", name.place()));
            }
        }
    }
    Ok(chosen)
}

/// The handler of that name, or the one behind it if it only buffers.
fn writer<'a>(config: &Section<'a>, name: &Node<'a>) -> Result<Option<Section<'a>>, ConfigError> {
    let handler = named(config, "handlers", name)?;
    let class = handler.require("class", "a Python class")?.text()?;
    match class.rsplit('.').next() {
        Some(
            "StreamHandler"
            | "FileHandler"
            | "WatchedFileHandler"
            | "RotatingFileHandler"
            | "TimedRotatingFileHandler",
        ) => Ok(Some(handler)),
        Some("MemoryHandler" | "PeriodicallyFlushingMemoryHandler") => {
            let target = handler.require("target", "a handler")?;
            let behind = named(config, "handlers", &target)?;
            Ok(Some(behind).filter(|behind| behind.get("target").is_none()))
        }
        _ => Ok(None),
    }
}

/// The handler or formatter that another one names.
fn named<'a>(config: &Section<'a>, kind: &str, name: &Node<'a>) -> Result<Section<'a>, ConfigError> {
    let all = optional(config.get(kind), Node::section)?;
    let wanted = name.text()?;
    all.and_then(|all| all.get(wanted))
        .ok_or_else(|| name.error(format!("no such {}", kind.trim_end_matches('s'))))?
        .section()
}

fn output(handler: &Section<'_>) -> Result<LogOutput, ConfigError> {
    if let Some(file) = handler.get("filename") {
        return Ok(LogOutput::File(file.path()?));
    }
    match handler.get("stream") {
        Some(stream) if stream.text()? == "ext://sys.stdout" => Ok(LogOutput::Stdout),
        _ => Ok(LogOutput::Stderr),
    }
}

/// Synapse's JSON formatters are known by the ends of their names.
fn format(config: &Section<'_>, handler: &Section<'_>) -> Result<LogFormat, ConfigError> {
    let Some(name) = handler.get("formatter") else { return Ok(LogFormat::Text) };
    let formatter = named(config, "formatters", &name)?;
    let class = formatter.get("class").or_else(|| formatter.get("()"));
    let class = or(class, |node| Ok(node.text()?.to_owned()), String::new())?;
    Ok(if class.ends_with("JsonFormatter") { LogFormat::Json } else { LogFormat::Text })
}
