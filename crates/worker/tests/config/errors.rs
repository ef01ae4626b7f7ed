//! What a wrong configuration is answered with: one line that names file and key, and no value.

use key_backup_worker::config::InlineSecrets;

use crate::support::{MINIMAL, Setup, with, with_args};

/// Stands in every value that must not be told.
const SECRET: &str = "s3cret";

/// Wrong text for the second of two files, and the place that the message must name.
const WRONG: &[(&str, &str)] = &[
    ("server_name: [s3cret]", "worker.yaml, line 1, server_name: expected"),
    ("server_name: null", "`server_name` is missing"),
    ("worker_app: synapse.app.homeserver", "worker_app"),
    ("worker_name: {a: s3cret}", "worker_name"),
    ("enable_metrics: s3cret", "enable_metrics: expected true or false"),
    ("enable_metrics: 'true'", "enable_metrics: expected true or false"),
    ("max_upload_size: s3cret", "max_upload_size: expected a size"),
    ("max_upload_size: 50MB", "max_upload_size: expected a size"),
    ("max_upload_size: -1", "max_upload_size: expected a size"),
    ("enable_media_repo: s3cret", "enable_media_repo"),
    ("modules: s3cret", "modules: expected a list"),
    ("worker_replication_host: s3cret", "worker_replication_host"),
    ("worker_replication_http_port: 9093", "worker_replication_http_port"),
    ("worker_replication_http_tls: true", "worker_replication_http_tls"),
    ("worker_replication_port: 9092", "worker_replication_port"),
    ("worker_listeners: s3cret", "worker_listeners: expected a list"),
    ("worker_listeners: [s3cret]", "worker_listeners[0]: expected a mapping"),
    ("worker_listeners: [{port: 1}]", "worker_listeners[0]: `type` is missing"),
    ("worker_listeners: [{type: s3cret, port: 1}]", "worker_listeners[0].type: expected http or metrics"),
    ("worker_listeners: [{type: replication, port: 1}]", "worker_listeners[0].type"),
    ("worker_listeners: [{type: http}]", "worker_listeners[0]: `port` or `path` is missing"),
    ("worker_listeners: [{type: http, port: s3cret}]", "worker_listeners[0].port: expected a whole number"),
    ("worker_listeners: [{type: http, port: '8083'}]", "worker_listeners[0].port"),
    ("worker_listeners: [{type: http, port: 65536}]", "worker_listeners[0].port"),
    ("worker_listeners: [{type: http, port: 1, path: /s3cret}]", "worker_listeners[0].path"),
    ("worker_listeners: [{type: http, path: [s3cret]}]", "worker_listeners[0].path"),
    ("worker_listeners: [{type: metrics, path: /s3cret}]", "worker_listeners[0].path"),
    ("worker_listeners: [{type: http, path: /x, mode: '0o660'}]", "worker_listeners[0].mode"),
    ("worker_listeners: [{type: http, path: /x, mode: 99999}]", "worker_listeners[0].mode"),
    ("worker_listeners: [{type: http, path: /x, tls: true}]", "worker_listeners[0].tls"),
    (
        "worker_listeners: [{type: http, port: 1, tls: true}]",
        "worker_listeners[0].tls: TLS needs `tls_certificate_path`",
    ),
    (
        "worker_listeners: [{type: http, port: 1, bind_addresses: s3cret}]",
        "worker_listeners[0].bind_addresses",
    ),
    (
        "worker_listeners: [{type: http, port: 1, bind_addresses: [s3cret]}]",
        "worker_listeners[0].bind_addresses[0]",
    ),
    ("worker_listeners: [{type: http, port: 1, x_forwarded: s3cret}]", "worker_listeners[0].x_forwarded"),
    ("worker_listeners: [{type: http, port: 1, resources: [{names: [s3cret]}]}]", "resources[0].names[0]"),
    ("worker_listeners: [{type: http, port: 1, resources: [s3cret]}]", "worker_listeners[0].resources[0]"),
    ("database: s3cret", "database: expected a mapping"),
    ("database: null", "`database` is missing"),
    ("database: {args: {database: s3cret.db}}", "database: the worker needs Synapse's PostgreSQL"),
    (
        "database: {name: sqlite3, args: {database: s3cret.db}}",
        "database.name: the worker needs Synapse's PostgreSQL",
    ),
    ("database: {name: s3cret}", "database.name: expected psycopg2"),
    ("database: {name: psycopg2}", "database: `args` is missing"),
    ("database: {name: psycopg2, args: [s3cret]}", "database.args: expected a mapping"),
    ("databases: {a: {name: psycopg2, args: {}}}", "`database` and `databases`"),
    ("{database: null, databases: {a: {data_stores: [state]}}}", "databases: no database has `main`"),
    ("{database: null, databases: {a: s3cret}}", "databases.a: expected a mapping"),
    ("database: {name: psycopg2, args: {}, statement_timeout: s3cret}", "database.statement_timeout"),
    ("database: {name: psycopg2, args: {}, synchronous_commit: s3cret}", "database.synchronous_commit"),
    ("database: {name: psycopg2, args: {}, txn_limit: -1}", "database.txn_limit"),
    ("redis: s3cret", "redis: expected a mapping"),
    ("redis: {enabled: s3cret}", "redis.enabled"),
    ("redis: {enabled: true, port: s3cret}", "redis.port"),
    ("redis: {enabled: true, host: [s3cret]}", "redis.host"),
    ("redis: {enabled: true, dbid: s3cret}", "redis.dbid"),
    ("redis: {enabled: true, password: [s3cret]}", "redis.password"),
    ("redis: {enabled: true, username: s3cret}", "redis: `username` needs `password`"),
    (
        "redis: {enabled: true, password: s3cret, password_path: /nowhere}",
        "redis.password: `password` and `password_path`",
    ),
    ("redis: {enabled: true, password_path: /nowhere}", "redis.password_path: cannot read /nowhere"),
    ("redis: {enabled: true, use_tls: true, certificate_file: /s3cret}", "redis: `certificate_file`"),
    ("matrix_authentication_service: s3cret", "matrix_authentication_service: expected a mapping"),
    (
        "matrix_authentication_service: {enabled: s3cret}",
        "matrix_authentication_service.enabled: expected true",
    ),
    ("matrix_authentication_service: {enabled: true}", "matrix_authentication_service: expected `secret`"),
    (
        "matrix_authentication_service: {enabled: true, secret: ''}",
        "matrix_authentication_service: expected `secret`",
    ),
    (
        "matrix_authentication_service: {enabled: true, secret: [s3cret]}",
        "matrix_authentication_service.secret: expected a string",
    ),
    (
        "matrix_authentication_service: {enabled: true, secret: \"s3cret\\n\"}",
        "matrix_authentication_service: the secret must be one line",
    ),
    (
        "matrix_authentication_service: {enabled: true, secret: s3cret, secret_path: /nowhere}",
        "matrix_authentication_service.secret: `secret` and `secret_path`",
    ),
    (
        "matrix_authentication_service: {enabled: true, secret_path: /nowhere}",
        "matrix_authentication_service.secret_path: cannot read /nowhere",
    ),
    (
        "matrix_authentication_service: {enabled: true, secret: x, endpoint: 'mas.s3cret:8080'}",
        "matrix_authentication_service.endpoint: expected an http:// or https:// URL",
    ),
    (
        "matrix_authentication_service: {enabled: true, secret: x, endpoint: 'http://u:s3cret@mas'}",
        "matrix_authentication_service.endpoint",
    ),
    (
        "matrix_authentication_service: {enabled: true, secret: x, endpoint: 'http://mas/?s3cret'}",
        "matrix_authentication_service.endpoint",
    ),
    (
        "matrix_authentication_service: {enabled: true, secret: x, endpoint: [s3cret]}",
        "matrix_authentication_service.endpoint: expected a string",
    ),
    (
        "matrix_authentication_service: {enabled: true, secret: x, force_http2: s3cret}",
        "matrix_authentication_service.force_http2: expected true or false",
    ),
    (
        "experimental_features: {msc3861: {enabled: true, admin_token: s3cret}}",
        "experimental_features.msc3861: Synapse no longer accepts this key",
    ),
    ("experimental_features: s3cret", "experimental_features: expected a mapping"),
    ("worker_log_config: [s3cret]", "worker_log_config"),
    ("worker_log_config: /nowhere.yaml", "/nowhere.yaml: cannot read it"),
    ("key_backup_worker: s3cret", "key_backup_worker: expected a mapping"),
    ("key_backup_worker: {threads: 0}", "key_backup_worker.threads"),
    ("key_backup_worker: {threads: s3cret}", "key_backup_worker.threads"),
    ("key_backup_worker: {shutdown_grace: s3cret}", "key_backup_worker.shutdown_grace: expected a duration"),
    ("key_backup_worker: {shutdown_grace: 1.5}", "key_backup_worker.shutdown_grace: expected a duration"),
    ("key_backup_worker: {log_format: s3cret}", "key_backup_worker.log_format: expected text or json"),
];

/// Wrong `args` of the database, and the place that the message must name.
const WRONG_ARGS: &[(&str, &str)] = &[
    ("{user: [s3cret]}", "database.args.user"),
    ("{pasword: s3cret}", "database.args.pasword: libpq has no keyword of this name"),
    ("{database: s3cret, dbname: s3cret}", "database.args.dbname"),
    ("{cp_max: 0}", "database.args.cp_max"),
    ("{cp_min: 9, cp_max: 5}", "database.args.cp_min"),
    ("{port: s3cret}", "database.args.port: expected ports"),
    ("{port: 0}", "database.args.port"),
    ("{port: 65536}", "database.args.port"),
    ("{host: 'a,b,c', port: '1,2'}", "database.args.port"),
    ("{host: 'a,b', hostaddr: 10.0.0.1}", "database.args.hostaddr"),
    ("{hostaddr: s3cret}", "database.args.hostaddr: expected IP addresses"),
    ("{host: '@s3cret'}", "database.args.host"),
    ("{connect_timeout: s3cret}", "database.args.connect_timeout: expected a whole number"),
    ("{keepalives_idle: s3cret}", "database.args.keepalives_idle"),
    ("{target_session_attrs: standby}", "database.args.target_session_attrs: expected one of"),
    ("{load_balance_hosts: s3cret}", "database.args.load_balance_hosts"),
    ("{channel_binding: s3cret}", "database.args.channel_binding"),
    ("{sslmode: s3cret}", "database.args.sslmode: expected one of disable, allow, prefer"),
    ("{sslmode: verify-full}", "database.args.sslmode"),
    ("{sslmode: require, sslrootcert: system}", "database.args.sslmode"),
    ("{sslnegotiation: direct}", "database.args.sslnegotiation"),
    ("{ssl_max_protocol_version: TLSv1.1}", "database.args.ssl_max_protocol_version"),
    (
        "{ssl_min_protocol_version: TLSv1.3, ssl_max_protocol_version: TLSv1.2}",
        "database.args.ssl_max_protocol_version",
    ),
    ("{sslcrl: /s3cret}", "database.args.sslcrl"),
    ("{sslpassword: s3cret}", "database.args.sslpassword"),
    ("{gssencmode: require}", "database.args.gssencmode"),
    ("{requirepeer: s3cret}", "database.args.requirepeer"),
    ("{replication: database}", "database.args.replication"),
    ("{dsn: [s3cret]}", "database.args.dsn"),
    ("{dsn: 's3cret'}", "database.args.dsn"),
    ("{dsn: 'password=my s3cret=x'}", "database.args.dsn"),
    ("{dsn: \"password='s3cret\"}", "database.args.dsn"),
    ("{dsn: 'user=u port=s3cret'}", "database.args.dsn"),
    ("{dsn: 'postgresql://u:s3cret%zz@h'}", "database.args.dsn"),
    ("{dsn: 'postgresql://u:s3cret@h:port/d'}", "database.args.dsn"),
    ("{dsn: 'postgresql://u:s3cret@[::1/d'}", "database.args.dsn"),
    ("{dsn: 'postgresql://u:p@h/d?s3cret'}", "database.args.dsn"),
    ("{service: s3cret}", "database.args.service: no service file"),
];

fn check(message: &str, place: &str, text: &str) {
    assert!(message.contains(place), "{text}\n{message}");
    assert!(!message.contains(SECRET), "{text}\n{message}");
    assert!(!message.contains('\n'), "{text}\n{message}");
}

#[test]
fn a_wrong_value_is_answered_with_its_file_and_key_and_not_with_the_value() {
    for (text, place) in WRONG {
        let message = with(text).message();
        check(&message, place, text);
        assert!(message.contains("worker.yaml") || message.starts_with("/nowhere"), "{text}\n{message}");
    }
}

#[test]
fn a_wrong_argument_of_the_database_is_answered_likewise() {
    for (args, place) in WRONG_ARGS {
        check(&with_args(args).message(), place, args);
    }
}

#[test]
fn a_syntax_error_has_file_line_and_column() {
    for (text, place) in [
        ("a: 1\nredis: {password: s3cret", "worker.yaml, line"),
        ("redis:\n  password: s3cret\n port: 1", "worker.yaml, line 3, column"),
        ("password: *s3cret", "worker.yaml, line 1, column 11"),
        ("password: s3cret: x", "worker.yaml, line 1, column"),
        ("a: 1\n---\nb: s3cret", "worker.yaml, line 3"),
    ] {
        check(&with(text).message(), place, text);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let setup = Setup::minimal();
    let missing = setup.path("missing.yaml");
    let message = setup.with_path(missing).message();
    assert!(message.contains("missing.yaml: cannot read it"), "{message}");
}

#[test]
fn what_synapse_demands_is_demanded() {
    for (without, place) in [
        ("server_name: example.com", "`server_name` is missing"),
        ("report_stats: no", "`report_stats` is missing"),
        ("worker_name: key_backup1", "`worker_name` is missing"),
    ] {
        let message = Setup::empty().with("homeserver.yaml", &MINIMAL.replace(without, "")).message();
        check(&message, place, without);
        assert!(message.contains("homeserver.yaml"), "{message}");
    }
}

#[test]
fn a_wrong_environment_variable_is_named() {
    for (name, value) in [("PGPORT", "s3cret"), ("PGSSLMODE", "s3cret"), ("PGCONNECT_TIMEOUT", "s3cret")] {
        check(
            &with_args("{}").with_variable(name, value).message(),
            &format!("environment variable {name}: "),
            name,
        );
    }
}

#[test]
fn a_wrong_service_file_is_named_with_its_line() {
    for (text, place) in [
        ("[s]\nhost=h\nport=s3cret\n", ".pg_service.conf, line 3"),
        ("[s]\ns3cret\n", ".pg_service.conf, line 2"),
        ("[s]\ns3cret=1\n", ".pg_service.conf, line 2"),
    ] {
        let setup = with_args("{service: s}").with_home(&[(".pg_service.conf", text)]);
        check(&setup.message(), place, text);
    }
}

#[test]
fn a_wrong_log_config_is_named_with_its_key() {
    for (text, place) in [
        ("root: {level: s3cret}", "log.yaml, line 1, root.level: expected one of"),
        ("root: {handlers: [s3cret]}", "root.handlers[0]: no such handler"),
        ("{root: {handlers: [s3cret]}, handlers: {h: {}}}", "root.handlers[0]: no such handler"),
        (
            "{root: {handlers: [h]}, handlers: {h: {class: x.StreamHandler, formatter: s3cret}}}",
            "handlers.h.formatter: no such",
        ),
        ("{root: {handlers: [h]}, handlers: {h: {}}}", "handlers.h: `class` is missing"),
        ("loggers: {a: {level: -1}}", "loggers.a.level"),
        ("root: [s3cret]", "root: expected a mapping"),
        ("s3cret", "log.yaml, line 1: expected a mapping"),
    ] {
        let setup = Setup::minimal();
        let file = setup.write("log.yaml", text);
        let setup = setup.with("worker.yaml", &format!("worker_log_config: {}", file.display()));
        check(&setup.message(), place, text);
    }
}

#[test]
fn secrets_in_the_configuration_can_be_refused() {
    let mut setup = with("redis: {enabled: true, password: s3cret}");
    setup.inline = InlineSecrets::Refused;
    check(&setup.message(), "redis.password: secrets in the configuration are switched off", "redis");
    let mut setup = with("matrix_authentication_service: {enabled: true, secret: s3cret}");
    setup.inline = InlineSecrets::Refused;
    check(&setup.message(), "matrix_authentication_service.secret: secrets in the configuration", "mas");
}

#[test]
fn nobody_to_connect_as_is_an_error() {
    let mut setup = with_args("{dbname: d}");
    setup.environment.user = None;
    check(&setup.message(), "database.args: `user` is missing", "user");
}

#[test]
fn settings_do_not_show_their_secrets_to_debug() {
    let config = with(
        "{redis: {enabled: true, password: s3cret}, matrix_authentication_service: {enabled: true, secret: s3cret}, database: {name: psycopg2, args: {password: s3cret, dbname: d}}}",
    )
    .config();
    assert!(!format!("{config:?}").contains(SECRET));
}
