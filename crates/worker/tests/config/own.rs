//! `key_backup_worker`.

use std::time::Duration;

use key_backup_worker::config::{LogFormat, OwnSettings};

use crate::support::{Setup, with};

#[test]
fn every_setting_has_a_default() {
    let own = Setup::minimal().config().own;
    assert_eq!(own, OwnSettings::default());
    assert_eq!(own.shutdown_grace, Duration::from_secs(30));
    assert_eq!(own.cors_max_age, Duration::from_hours(24));
    assert_eq!(own.counts_lifetime, Duration::from_mins(10));
    assert_eq!(with("key_backup_worker: null").config().own, own);
    assert_eq!(with("key_backup_worker: {threads: null}").config().own, own);
}

#[test]
fn every_setting_can_be_set_in_synapses_spelling() {
    let config = with(
        "
key_backup_worker:
  threads: 7
  shutdown_grace: 1m
  cors_max_age: 0
  counts_lifetime: 2500
  log_format: json
",
    )
    .config();
    assert_eq!(config.own.threads.get(), 7);
    assert_eq!(config.own.shutdown_grace, Duration::from_mins(1));
    assert_eq!(config.own.cors_max_age, Duration::ZERO);
    assert_eq!(config.own.counts_lifetime, Duration::from_millis(2500));
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn durations_have_synapses_suffixes() {
    for (text, seconds) in
        [("5s", 5), ("2m", 120), ("3h", 10_800), ("1d", 86_400), ("1w", 604_800), ("1y", 31_536_000)]
    {
        let own = with(&format!("key_backup_worker: {{cors_max_age: {text}}}")).config().own;
        assert_eq!(own.cors_max_age, Duration::from_secs(seconds), "{text}");
    }
}

#[test]
fn an_unknown_setting_is_refused_with_a_list_of_the_known_ones() {
    let message = with("key_backup_worker: {thread: 7}").message();
    assert!(message.contains("key_backup_worker.thread:"), "{message}");
    for known in ["counts_lifetime", "cors_max_age", "log_format", "shutdown_grace", "threads"] {
        assert!(message.contains(known), "{message}");
    }
}
