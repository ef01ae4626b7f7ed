//! `worker_log_config`.

use key_backup_worker::config::{Config, LogFormat, LogOutput, LogSettings};
use tracing::level_filters::LevelFilter;

use crate::support::Setup;

fn config(log_config: &str) -> Config {
    let setup = Setup::minimal();
    let file = setup.write("log.yaml", log_config);
    setup.with("worker.yaml", &format!("worker_log_config: {}", file.display())).config()
}

fn log(log_config: &str) -> LogSettings {
    config(log_config).log
}

#[test]
fn without_a_log_config_text_goes_to_standard_error() {
    let log = Setup::minimal().config().log;
    assert_eq!(log, LogSettings::default());
    assert_eq!((log.level, log.output, log.format), (LevelFilter::INFO, LogOutput::Stderr, LogFormat::Text));
}

#[test]
fn the_file_behind_a_buffer_is_found_as_in_synapses_own_example() {
    let log = log("
version: 1
formatters:
  precise: {format: '%(asctime)s - %(name)s - %(message)s'}
handlers:
  file:
    class: logging.handlers.TimedRotatingFileHandler
    formatter: precise
    filename: /var/log/matrix-synapse/worker.log
    when: midnight
    backupCount: 3
  buffer:
    class: synapse.logging.handlers.PeriodicallyFlushingMemoryHandler
    target: file
    capacity: 10
    flushLevel: 30
  console: {class: logging.StreamHandler, formatter: precise}
loggers:
  synapse.storage.SQL: {level: INFO}
  synapse.access: {level: WARNING, handlers: [console]}
root: {level: DEBUG, handlers: [buffer]}
disable_existing_loggers: false
");
    assert_eq!(log.level, LevelFilter::DEBUG);
    assert_eq!(log.output, LogOutput::File("/var/log/matrix-synapse/worker.log".into()));
    assert_eq!(log.format, LogFormat::Text);
    let loggers: Vec<_> = log.loggers.iter().map(|(name, level)| (name.as_str(), *level)).collect();
    assert_eq!(loggers, [("synapse.access", LevelFilter::WARN), ("synapse.storage.SQL", LevelFilter::INFO)]);
}

#[test]
fn json_formatters_are_known_by_name() {
    for (formatter, expected) in [
        ("class: synapse.logging.TerseJsonFormatter", LogFormat::Json),
        ("class: synapse.logging.JsonFormatter", LogFormat::Json),
        ("class: synapse.logging.GcpJsonFormatter", LogFormat::Json),
        ("(): synapse.logging.TerseJsonFormatter", LogFormat::Json),
        ("format: '%(message)s'", LogFormat::Text),
        ("class: logging.Formatter", LogFormat::Text),
    ] {
        let log = log(&format!(
            "{{formatters: {{f: {{{formatter}}}}}, root: {{handlers: [h]}},
              handlers: {{h: {{class: logging.StreamHandler, formatter: f, stream: 'ext://sys.stdout'}}}}}}"
        ));
        assert_eq!((log.output, log.format), (LogOutput::Stdout, expected), "{formatter}");
    }
}

#[test]
fn levels_have_pythons_names_or_numbers() {
    for (level, expected) in [
        ("CRITICAL", LevelFilter::ERROR),
        ("ERROR", LevelFilter::ERROR),
        ("WARNING", LevelFilter::WARN),
        ("WARN", LevelFilter::WARN),
        ("INFO", LevelFilter::INFO),
        ("DEBUG", LevelFilter::DEBUG),
        ("NOTSET", LevelFilter::TRACE),
        ("30", LevelFilter::WARN),
        ("15", LevelFilter::INFO),
        ("60", LevelFilter::OFF),
    ] {
        assert_eq!(log(&format!("root: {{level: {level}}}")).level, expected, "{level}");
    }
}

#[test]
fn handlers_that_the_worker_has_not_are_told_and_the_first_other_one_is_used() {
    let config = config(
        "
root: {handlers: [syslog, console, file]}
handlers:
  syslog: {class: logging.handlers.SysLogHandler}
  console: {class: logging.StreamHandler, stream: 'ext://sys.stdout'}
  file: {class: logging.FileHandler, filename: /tmp/x.log}
",
    );
    assert_eq!(config.log.output, LogOutput::Stdout);
    for handler in ["root.handlers[0]", "root.handlers[2]"] {
        assert!(config.warnings.iter().any(|warning| warning.contains(handler)), "{handler}");
    }
}
