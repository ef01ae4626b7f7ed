//! Every way of getting the configuration wrong ends the start: one message, status 1, at once, and nothing listens.

use std::{net::TcpListener, time::Duration};

use key_backup_testkit::{TestDatabase, services::Postgres};

use crate::support::{Ended, SECRET, Setup};

/// How soon a start has to end.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Would start, though nobody is at the database. `s3cret` stands in all values that nobody may be told.
const RIGHT: &str = "
server_name: example.com
report_stats: no
worker_name: key_backup1
macaroon_secret_key: s3cret
registration_shared_secret: s3cret
worker_listeners: [{type: http, path: kb.sock, resources: [{names: [client]}]}]
database: {name: psycopg2, args: {user: synapse, password: s3cret, host: 127.0.0.1, port: 1}}
redis: {enabled: true, password: s3cret, host: 127.0.0.1, port: 1}
";

/// Wrong text for the second file, and what the message has to say.
const WRONG: &[(&str, &str)] = &[
    // Sections of the wrong type.
    ("database: s3cret", "1.yaml, line 1, database: expected a mapping"),
    ("database: [s3cret]", "1.yaml, line 1, database: expected a mapping"),
    ("database: {name: psycopg2, args: s3cret}", "database.args: expected a mapping"),
    ("{database: null, databases: [s3cret]}", "databases: expected a mapping"),
    ("redis: s3cret", "redis: expected a mapping"),
    ("redis: [password, s3cret]", "redis: expected a mapping"),
    ("worker_listeners: {s3cret: 1}", "worker_listeners: expected a list"),
    ("worker_listeners: [s3cret]", "worker_listeners[0]: expected a mapping"),
    ("key_backup_worker: [s3cret]", "key_backup_worker: expected a mapping"),
    ("worker_log_config: {s3cret: 1}", "worker_log_config: expected a path"),
    ("modules: s3cret", "modules: expected a list"),
    ("server_name: {s3cret: 1}", "server_name: expected a string"),
    // Values of the wrong type, and out of range.
    (
        "worker_listeners: [{type: http, port: 'a s3cret'}]",
        "worker_listeners[0].port: expected a whole number from 0 to 65535",
    ),
    (
        "worker_listeners: [{type: http, port: 65536}]",
        "worker_listeners[0].port: expected a whole number from 0 to 65535",
    ),
    (
        "worker_listeners: [{type: http, port: 1, bind_addresses: [s3cret]}]",
        "bind_addresses[0]: expected an IP address",
    ),
    (
        "database: {name: psycopg2, args: {password: [s3cret]}}",
        "database.args.password: expected a string or a number",
    ),
    (
        "database: {name: psycopg2, args: {port: s3cret}}",
        "database.args.port: expected ports from 1 to 65535",
    ),
    ("database: {name: psycopg2, args: {cp_max: s3cret}}", "database.args.cp_max: expected a whole number"),
    ("database: {name: psycopg2, args: {sslmode: s3cret}}", "database.args.sslmode: expected one of"),
    (
        "database: {name: psycopg2, args: {}, statement_timeout: s3cret}",
        "database.statement_timeout: expected a duration",
    ),
    ("redis: {enabled: true, port: 6379 s3cret}", "redis.port: expected a whole number from 1 to 65535"),
    ("redis: {enabled: true, password: {s3cret: 1}}", "redis.password: expected a string"),
    ("max_upload_size: 50 s3cret", "max_upload_size: expected a size"),
    ("max_upload_size: 50MB", "max_upload_size: expected a size"),
    ("max_upload_size: -1", "max_upload_size: expected a size"),
    (
        "key_backup_worker: {threads: s3cret}",
        "key_backup_worker.threads: expected a whole number from 1 to 1024",
    ),
    ("key_backup_worker: {shutdown_grace: 5x}", "key_backup_worker.shutdown_grace: expected a duration"),
    // Missing, contradictory, unknown.
    ("server_name: null", "`server_name` is missing"),
    ("worker_name: null", "`worker_name` is missing"),
    ("database: null", "`database` is missing"),
    (
        "database: {args: {database: s3cret.db}}",
        "database: the worker needs Synapse's PostgreSQL database, and this is SQLite",
    ),
    (
        "database: {name: sqlite3, args: {database: s3cret.db}}",
        "database.name: the worker needs Synapse's PostgreSQL database",
    ),
    ("database: {name: s3cret}", "database.name: expected psycopg2"),
    ("database: {name: psycopg2}", "database: `args` is missing"),
    ("databases: {a: {name: psycopg2, args: {}}}", "`database` and `databases` exclude one another"),
    (
        "database: {name: psycopg2, args: {pasword: s3cret}}",
        "database.args.pasword: libpq has no keyword of this name",
    ),
    (
        "redis: {enabled: true, password: s3cret, password_path: s3cret}",
        "redis.password: `password` and `password_path` exclude",
    ),
    ("redis: {enabled: true, username: s3cret}", "redis: `username` needs `password`"),
    ("worker_listeners: [{type: s3cret, port: 1}]", "worker_listeners[0].type: expected http or metrics"),
    ("worker_listeners: [{type: replication, port: 1}]", "worker_listeners[0].type: TCP replication is gone"),
    ("worker_listeners: [{type: http}]", "worker_listeners[0]: `port` or `path` is missing"),
    (
        "worker_listeners: [{type: http, port: 1, resources: [{names: [s3cret]}]}]",
        "resources[0].names[0]: expected one of",
    ),
    ("worker_replication_host: s3cret", "worker_replication_host: Synapse no longer accepts this key"),
    ("key_backup_worker: {treads: 1}", "key_backup_worker.treads: no such setting; there are"),
    // Connection strings.
    (
        "database: {name: psycopg2, args: {dsn: 'postgresql://u:s3cret%zz@h/d'}}",
        "database.args.dsn: the URI has a `%`",
    ),
    (
        "database: {name: psycopg2, args: {dsn: 'postgresql://u:s3cret@h:s3cret/d'}}",
        "database.args.dsn: expected ports",
    ),
    (
        "database: {name: psycopg2, args: {dsn: 'postgresql://u:s3cret@[::1/d'}}",
        "database.args.dsn: an IPv6 address",
    ),
    ("database: {name: psycopg2, args: {dsn: \"password='s3cret\"}}", "database.args.dsn: a quoted value"),
    ("database: {name: psycopg2, args: {dsn: 'password=x s3cret'}}", "database.args.dsn: a keyword"),
    ("database: {name: psycopg2, args: {dsn: 'pasword=s3cret'}}", "database.args.dsn: libpq has no keyword"),
    // Files.
    (
        "redis: {enabled: true, password_path: /nowhere/password}",
        "redis.password_path: cannot read /nowhere/password",
    ),
    ("worker_log_config: /nowhere/log.yaml", "/nowhere/log.yaml: cannot read it"),
    ("redis: {enabled: true, use_tls: true, ca_file: /nowhere/ca.crt}", "cannot read /nowhere/ca.crt"),
    ("redis: {enabled: true, use_tls: true, ca_path: /nowhere}", "cannot read /nowhere"),
    (
        "database: {name: psycopg2, args: {sslmode: verify-ca, sslrootcert: /nowhere/root.crt}}",
        "/nowhere/root.crt",
    ),
    ("database: {name: psycopg2, args: {sslcert: /nowhere/a.crt, sslkey: /nowhere/a.key}}", "/nowhere/a.crt"),
    // Who may enter.
    ("matrix_authentication_service: s3cret", "matrix_authentication_service: expected a mapping"),
    (
        "matrix_authentication_service: {enabled: true}",
        "matrix_authentication_service: expected `secret` or `secret_path`",
    ),
    (
        "matrix_authentication_service: {enabled: true, secret: s3cret, secret_path: /nowhere}",
        "exclude one another",
    ),
    (
        "matrix_authentication_service: {enabled: true, secret_path: /nowhere/secret}",
        "cannot read /nowhere/secret",
    ),
    (
        "matrix_authentication_service: {enabled: true, secret: x, endpoint: 'http://u:s3cret@h'}",
        "endpoint: expected an http://",
    ),
    ("matrix_authentication_service: {enabled: true, secret: \"s3cret\\n1\"}", "the secret must be one line"),
    ("app_service_config_files: /nowhere/s3cret.yaml", "app_service_config_files: expected a list"),
    ("app_service_config_files: [/nowhere/bridge.yaml]", "/nowhere/bridge.yaml"),
    ("account_validity: s3cret", "account_validity: expected"),
    (
        "experimental_features: {msc3861: {enabled: true, client_secret: s3cret}}",
        "experimental_features.msc3861: Synapse no longer",
    ),
    // Not YAML.
    ("redis: {password: s3cret", "1.yaml, line"),
    ("redis:\n  password: s3cret\n port: 1", "1.yaml, line 3, column"),
    ("password: s3cret: x", "1.yaml, line 1, column"),
    ("redis:\n\tpassword: s3cret", "1.yaml, line 2"),
    ("password: *s3cret", "1.yaml, line 1, column 11: an alias without an anchor"),
    ("password: !vault s3cret", "1.yaml, line 1, column 18: an unknown tag"),
];

/// The only thing that a refused start writes, beside its log, is one message, which says this.
#[track_caller]
fn assert_refused(setup: &Setup, ended: &Ended, case: &str, message: &str) {
    let output = format!("{case}\n{}{}", ended.stdout, ended.stderr);
    let messages: Vec<_> = ended.stderr.lines().filter(|line| !line.contains(" - ")).collect();
    assert_eq!(ended.code, Some(1), "{output}");
    assert!(ended.time < AT_ONCE, "{:?}\n{output}", ended.time);
    assert_eq!((messages.len(), ended.stdout.as_str()), (1, ""), "{output}");
    assert!(messages[0].starts_with("key-backup-worker: ") && messages[0].contains(message), "{output}");
    assert!(!format!("{}{}", ended.stdout, ended.stderr).contains(SECRET), "{output}");
    assert!(!setup.path("kb.sock").exists(), "{output}");
}

#[tokio::test]
async fn each_mistake_is_one_message_that_names_its_place_and_not_the_value() {
    for (yaml, message) in WRONG {
        let setup = Setup::new(RIGHT).with(yaml);
        assert_refused(&setup, &setup.run(&[]).await, yaml, message);
        assert_refused(&setup, &setup.run(&["check-config"]).await, yaml, message);
    }
}

#[tokio::test]
async fn what_the_mistakes_are_made_in_is_right_without_them() {
    let ended = Setup::new(RIGHT).run(&["check-config"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[tokio::test]
async fn a_file_that_is_not_there_or_no_text_is_named() {
    let missing = Setup::new(RIGHT);
    let missing = missing.with_path("/nowhere/homeserver.yaml".as_ref());
    assert_refused(&missing, &missing.run(&[]).await, "missing", "/nowhere/homeserver.yaml: cannot read it");
    let binary = Setup::new(RIGHT);
    let file = binary.write("binary", b"password: s3cret\xff");
    let binary = binary.with_path(&file);
    assert_refused(&binary, &binary.run(&[]).await, "binary", "binary: expected UTF-8 text");
}

#[tokio::test]
async fn a_broken_log_config_is_named_with_its_line() {
    for (text, message) in [
        ("s3cret", "log.yaml, line 1: expected a mapping"),
        ("root:\n  level: s3cret", "log.yaml, line 2, root.level: expected one of"),
        ("root: {handlers: [s3cret]}", "root.handlers[0]: no such handler"),
        ("root: [s3cret", "log.yaml, line"),
        (
            "{root: {handlers: [h]}, handlers: {h: {class: logging.FileHandler, filename: /nowhere/kb.log}}}",
            "cannot open the log file /nowhere/kb.log",
        ),
    ] {
        let setup = Setup::new(RIGHT).with("worker_log_config: log.yaml");
        setup.write("log.yaml", text);
        assert_refused(&setup, &setup.run(&[]).await, text, message);
    }
}

#[tokio::test]
async fn a_broken_registration_of_a_bridge_is_named_without_its_tokens() {
    for (text, message) in [
        ("s3cret", "bridge.yaml, line 1: expected a mapping"),
        ("as_token: [s3cret", "bridge.yaml, line"),
        ("as_token: [s3cret]", "bridge.yaml, line 1"),
        (
            "{id: b, as_token: s3cret, hs_token: s3cret, sender_localpart: b, url: null, namespaces: s3cret}",
            "namespaces",
        ),
        (
            "{id: b, as_token: s3cret, hs_token: s3cret, sender_localpart: b, url: null,
              namespaces: {users: [{regex: '(s3cret', exclusive: true}]}}",
            "namespaces.users[0]",
        ),
    ] {
        let setup = Setup::new(RIGHT).with("app_service_config_files: [bridge.yaml]");
        setup.write("bridge.yaml", text);
        assert_refused(&setup, &setup.run(&[]).await, text, message);
        assert_refused(&setup, &setup.run(&["check-config"]).await, text, message);
    }
}

#[tokio::test]
async fn a_broken_certificate_is_named() {
    const GARBAGE: &str = "-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----\n";
    for (yaml, message) in [
        (
            "redis: {enabled: true, use_tls: true, ca_file: broken.pem}",
            "no certificate in broken.pem for Redis",
        ),
        (
            "redis: {enabled: true, use_tls: true, certificate_file: broken.pem, private_key_file: broken.pem}",
            "redis",
        ),
        ("database: {name: psycopg2, args: {sslmode: verify-ca, sslrootcert: broken.pem}}", "broken.pem"),
        ("database: {name: psycopg2, args: {sslcert: broken.pem, sslkey: broken.pem}}", "broken.pem"),
        (
            "{worker_listeners: [{type: http, port: 0, tls: true, bind_addresses: [127.0.0.1]}],
              tls_certificate_path: broken.pem, tls_private_key_path: broken.pem}",
            "broken.pem",
        ),
    ] {
        let setup = Setup::new(RIGHT).with(yaml);
        setup.write("broken.pem", GARBAGE);
        assert_refused(&setup, &setup.run(&[]).await, yaml, message);
        assert_refused(&setup, &setup.run(&["check-config"]).await, yaml, message);
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_listened_on_is_named_even_while_the_database_is_silent() {
    // Accepts connections by itself, and says nothing: a database that hangs, too.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let port = address.port();
    for (listener, message) in [
        (format!("port: {port}, bind_addresses: [127.0.0.1]"), format!("cannot listen on {address}")),
        ("port: 0, bind_addresses: [192.0.2.1]".to_owned(), "cannot listen on 192.0.2.1:0".to_owned()),
        ("path: /nowhere/kb.sock".to_owned(), "cannot listen on /nowhere/kb.sock".to_owned()),
    ] {
        let yaml = format!(
            "{{worker_listeners: [{{type: http, {listener}}}], \
              database: {{name: psycopg2, args: {{user: u, password: s3cret, host: 127.0.0.1, port: {port}}}}}}}"
        );
        let setup = Setup::new(RIGHT).with(&yaml);
        assert_refused(&setup, &setup.run(&[]).await, &yaml, &message);
    }
}

#[tokio::test]
async fn a_database_that_is_not_synapses_is_refused() {
    let database = TestDatabase::create().await.unwrap();
    database.connect().await.unwrap().batch_execute("DROP TABLE access_tokens").await.unwrap();
    let setup = Setup::new(RIGHT).with(&database.database_yaml());
    assert_refused(&setup, &setup.run(&[]).await, "no access_tokens", "table access_tokens does not exist");
    let setup = Setup::new(RIGHT).with(&Postgres::from_env().unwrap().database_yaml("postgres"));
    assert_refused(&setup, &setup.run(&[]).await, "empty", "table e2e_room_keys does not exist");
}

#[tokio::test]
async fn a_wrong_environment_variable_of_libpq_is_named() {
    let setup = Setup::new(RIGHT).with("database: {name: psycopg2, args: {service: s3cret}}");
    assert_refused(&setup, &setup.run(&[]).await, "service", "database.args.service: no service file");
}
