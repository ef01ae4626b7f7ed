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
fn the_bounds_of_clients_can_be_set_and_some_defaults_follow_from_other_settings() {
    let config = with(
        "
key_backup_worker:
  threads: 3
  max_connections: 50
  max_queue_time: 1s
  max_body_memory: 1G
  max_restores: 5
  max_restores_per_user: 2
  max_large_uploads_per_user: 3
  slow_client_timeout: 20s
  min_transfer_rate: 1K
  rate_limit: {per_second: 10, burst_count: 100}
",
    )
    .config();
    let (own, limits) = (&config.own, &config.own.limits);
    assert_eq!((own.max_connections, limits.max_requests_in_flight), (50, 192));
    assert_eq!(limits.max_queue_time, Duration::from_secs(1));
    assert_eq!((limits.max_body_memory, limits.min_transfer_rate), (1 << 30, 1024));
    assert_eq!((limits.max_restores, limits.max_restores_per_user), (5, 2));
    assert_eq!(limits.max_large_uploads_per_user, 3);
    assert_eq!(limits.slow_client_timeout, Duration::from_secs(20));
    let rate = limits.rate_limit.unwrap();
    assert_eq!((rate.per_second.get(), rate.burst_count.get()), (10, 100));
    assert_eq!(with("key_backup_worker: {rate_limit: false}").config().own.limits.rate_limit, None);
    assert_eq!(with("max_upload_size: 1G").config().own.limits.max_body_memory, 1 << 30);
}

#[test]
fn bounds_that_nothing_could_pass_are_refused() {
    for (setting, problem) in [
        ("max_body_memory: 1M", "no less than the longest body"),
        ("max_restores: 0", "from 1"),
        ("slow_client_timeout: 0", "more than 0"),
        ("rate_limit: {per_second: 0, burst_count: 1}", "from 1"),
        ("rate_limit: {per_second: 1}", "`burst_count` is missing"),
        ("rate_limit: {per_second: 1, burst_count: 1, per_minute: 1}", "no such setting"),
        ("rate_limit: true", "a mapping, or false"),
    ] {
        let message = with(&format!("key_backup_worker: {{{setting}}}")).message();
        assert!(message.contains(problem), "{setting}: {message}");
    }
}

#[test]
fn traces_go_nowhere_unless_a_collector_is_named() {
    let otlp = |setting: &str| with(&format!("key_backup_worker: {{otlp: {setting}}}"));
    assert_eq!(otlp("null").config().own.otlp, None);
    let settings = otlp("{endpoint: 'http://127.0.0.1:4318'}").config().own.otlp.unwrap();
    assert_eq!((settings.endpoint.as_str(), settings.sampling_ratio), ("http://127.0.0.1:4318/", 1.0));
    for ratio in ["0", "0.01", "1"] {
        let setting = format!("{{endpoint: 'https://otlp.example.com/x', sampling_ratio: {ratio}}}");
        assert_eq!(otlp(&setting).config().own.otlp.unwrap().sampling_ratio.to_string(), ratio);
    }
    for (setting, problem) in [
        ("true", "a mapping"),
        ("{}", "`endpoint` is missing"),
        ("{endpoint: 127.0.0.1:4318}", "an http:// or https:// URL"),
        ("{endpoint: 'http://user:secret@127.0.0.1:4318'}", "an http:// or https:// URL"),
        ("{endpoint: 'http://127.0.0.1:4318', sampling_ratio: 1.5}", "a number from 0 to 1"),
        ("{endpoint: 'http://127.0.0.1:4318', sampling_ratio: .nan}", "a number from 0 to 1"),
        ("{endpoint: 'http://127.0.0.1:4318', header: x}", "no such setting"),
    ] {
        let message = otlp(setting).message();
        assert!(message.contains(problem) && !message.contains("secret"), "{setting}: {message}");
    }
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
