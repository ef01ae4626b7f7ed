//! `check-config`.

use crate::support::{SECRET, Setup};

const RIGHT: &str = "
server_name: example.com
report_stats: no
worker_name: key_backup1
form_secret: s3cret
worker_listener: []
database:
  name: psycopg2
  args: {user: synapse, password: s3cret, dbname: synapse, host: db.test, cp_max: 7}
redis: {enabled: true, username: kb, password: s3cret, host: redis.test}
matrix_authentication_service: {enabled: true, endpoint: 'https://mas.test/', secret: s3cret}
modules: [{module: synapse_auto_accept_invite.InviteAutoAccepter, config: {token: s3cret}}]
worker_listeners:
  - {type: http, path: /nowhere/kb.sock, mode: 0660, resources: [{names: [client]}]}
";

#[tokio::test]
async fn a_right_configuration_is_explained_without_its_secrets_and_without_opening_anything() {
    let ended = Setup::new(RIGHT).run(&["check-config"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stderr, "");
    for (key, meaning) in [
        ("server_name", "example.com"),
        ("worker_listeners", "http on /nowhere/kb.sock (permissions 0660): /health, /ready, the key backup;"),
        (
            "database",
            "synapse as synapse on db.test port 5432, at most 7 connections, TLS if the server offers it",
        ),
        ("redis", "redis.test port 6379 as kb"),
        ("matrix_authentication_service", "access tokens are asked of https://mas.test/"),
        ("account_validity", "accounts don't expire"),
        ("worker_log_config", "text to standard error, from INFO"),
        ("key_backup_worker", "threads "),
        ("warning:", "modules are Python and do not run here"),
        ("No use for:", "form_secret, worker_listener"),
    ] {
        let mut lines = ended.stdout.lines();
        let found = lines.any(|line| line.starts_with(key) && line.contains(meaning));
        assert!(found, "{key} {meaning}\n{}", ended.stdout);
    }
    assert!(!ended.stdout.contains(SECRET), "{}", ended.stdout);
}

#[tokio::test]
async fn every_setting_of_the_worker_that_is_documented_is_explained() {
    let documentation = include_str!("../../../../docs/configuration.md");
    let (_, section) = documentation.split_once("\n## The worker's own settings\n").unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let settings: Vec<_> = rows.map(|(setting, _)| setting).collect();
    assert!(settings.contains(&"threads") && settings.contains(&"min_transfer_rate"), "{settings:?}");
    let traces = "key_backup_worker: {otlp: {endpoint: 'http://127.0.0.1:4318'}}";
    let ended = Setup::new(RIGHT).with(traces).run(&["check-config"]).await;
    let line = ended.stdout.lines().find(|line| line.starts_with("key_backup_worker ")).unwrap();
    // What becomes of the form of log lines stands with the log.
    for setting in settings.into_iter().filter(|setting| *setting != "log_format") {
        assert!(line.contains(&format!(" {setting} ")), "{setting}: {line}");
    }
}

#[tokio::test]
async fn a_wrong_configuration_is_one_message() {
    let ended = Setup::new(RIGHT).with("redis: {enabled: s3cret}").run(&["check-config"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert!(
        ended.stderr.ends_with("1.yaml, line 1, redis.enabled: expected true or false\n"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn certificates_are_read_too() {
    let yaml = "worker_listeners: [{type: http, port: 0, tls: true}]
tls_certificate_path: /nowhere/a.crt
tls_private_key_path: /nowhere/a.key";
    for (yaml, file) in [
        (yaml, "/nowhere/a.crt"),
        ("redis: {enabled: true, use_tls: true, ca_file: /nowhere/ca.crt}", "/nowhere/ca.crt"),
        (
            "database: {name: psycopg2, args: {sslmode: verify-full, sslrootcert: /nowhere/root.crt}}",
            "/nowhere/root.crt",
        ),
    ] {
        let ended = Setup::new(RIGHT).with(yaml).run(&["check-config"]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
        assert!(ended.stderr.contains(file), "{}", ended.stderr);
    }
}
