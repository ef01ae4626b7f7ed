//! Synapse's top-level keys.

use crate::support::with;

#[test]
fn the_name_of_the_worker_defaults_to_its_app() {
    let config = with("worker_name: null\nworker_app: synapse.app.generic_worker").config();
    assert_eq!(config.worker_name, "synapse.app.generic_worker");
}

#[test]
fn the_body_limit_is_that_of_synapse() {
    for (text, limit) in [
        ("{}", 52_428_800),
        ("max_upload_size: 100M", 104_857_600),
        ("max_upload_size: 1M", 13_107_200),
        ("max_upload_size: 20971520", 20_971_520),
        ("max_upload_size: '20971520'", 20_971_520),
        ("max_upload_size: 1G", 1 << 30),
        ("{enable_media_repo: false, max_upload_size: 100M}", 13_107_200),
        ("enable_media_repo: yes", 52_428_800),
    ] {
        assert_eq!(with(text).config().max_request_body, limit, "{text}");
    }
}

#[test]
fn metrics_are_off_unless_they_are_enabled() {
    assert!(!with("{}").config().enable_metrics);
    assert!(with("enable_metrics: on").config().enable_metrics);
}

#[test]
fn what_the_worker_does_not_do_is_told() {
    for (text, told) in [
        ("worker_main_http_uri: http://localhost:8008", "worker_main_http_uri"),
        ("{worker_daemonize: true, worker_pid_file: /run/x.pid}", "worker_daemonize"),
        ("{worker_daemonize: true, worker_pid_file: /run/x.pid}", "worker_pid_file"),
        ("worker_manhole: 9000", "worker_manhole"),
        ("modules: [{module: my_module.Checker, config: {a: b}}]", "my_module.Checker"),
    ] {
        let warnings = with(text).config().warnings;
        assert!(warnings.iter().any(|warning| warning.contains(told)), "{told}: {warnings:?}");
    }
}

#[test]
fn what_is_switched_off_is_not_told() {
    let text =
        "{worker_daemonize: false, modules: [], worker_manhole: null, worker_replication_http_tls: false}";
    assert_eq!(with(text).config().warnings, Vec::<String>::new());
}
