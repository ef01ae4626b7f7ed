//! Connection parameters as libpq reads them.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use key_backup_storage::{ChannelBinding, ConnectionSettings, Host, Keepalives, TargetSessionAttrs};
use secrecy::ExposeSecret;

use crate::support::{Setup, connection, with_args};

fn tcp(name: &str, port: u16) -> Host {
    Host::Tcp { name: name.to_owned(), address: None, port }
}

fn tcp_at(name: &str, address: &str, port: u16) -> Host {
    Host::Tcp { name: name.to_owned(), address: Some(address.parse().unwrap()), port }
}

fn unix(directory: &str, port: u16) -> Host {
    Host::Unix { directory: directory.into(), port }
}

fn password(connection: &ConnectionSettings) -> Option<&str> {
    connection.password.as_ref().map(ExposeSecret::expose_secret)
}

#[test]
fn nothing_given_is_the_local_server_the_system_user_and_their_database() {
    let connection = connection("{}");
    assert_eq!(connection.hosts, [unix("/var/run/postgresql", 5432)]);
    assert_eq!((connection.user.as_str(), connection.dbname.as_str()), ("osuser", "osuser"));
    assert_eq!(connection.application_name, "key_backup1");
    assert_eq!(connection.keepalives, Some(Keepalives::default()));
    assert_eq!(connection.target_session_attrs, TargetSessionAttrs::Any);
    assert_eq!(connection.channel_binding, ChannelBinding::Prefer);
    assert!(
        connection.password.is_none() && connection.options.is_none() && connection.connect_timeout.is_none()
    );
}

#[test]
fn hosts_addresses_and_ports_pair_up() {
    for (args, expected) in [
        ("{host: db.test}", vec![tcp("db.test", 5432)]),
        ("{host: db.test, port: 6432}", vec![tcp("db.test", 6432)]),
        ("{host: db.test, port: '6432'}", vec![tcp("db.test", 6432)]),
        ("{host: '::1'}", vec![tcp("::1", 5432)]),
        ("{host: /run/pg, port: 5433}", vec![unix("/run/pg", 5433)]),
        ("{host: ''}", vec![unix("/var/run/postgresql", 5432)]),
        ("{host: 'a,b', port: 1}", vec![tcp("a", 1), tcp("b", 1)]),
        ("{host: 'a,b', port: '1,2'}", vec![tcp("a", 1), tcp("b", 2)]),
        ("{host: 'a,b', port: '1,'}", vec![tcp("a", 1), tcp("b", 5432)]),
        ("{host: '/run/pg,b'}", vec![unix("/run/pg", 5432), tcp("b", 5432)]),
        ("{hostaddr: 10.0.0.1}", vec![tcp_at("10.0.0.1", "10.0.0.1", 5432)]),
        ("{host: a, hostaddr: 10.0.0.1}", vec![tcp_at("a", "10.0.0.1", 5432)]),
        ("{host: 'a,b', hostaddr: '10.0.0.1,'}", vec![tcp_at("a", "10.0.0.1", 5432), tcp("b", 5432)]),
    ] {
        assert_eq!(connection(args).hosts, expected, "{args}");
    }
}

#[test]
fn a_dsn_is_a_connection_string_or_a_uri_and_gives_way_to_the_other_keywords() {
    for (args, user, dbname, hosts) in [
        ("{dsn: 'user=u dbname=d host=h port=1'}", "u", "d", vec![tcp("h", 1)]),
        ("{dsn: \"user = 'u v' dbname='it\\\\'s' host=h\"}", "u v", "it's", vec![tcp("h", 5432)]),
        ("{dsn: 'user=u dbname=d host=h', user: w, database: e}", "w", "e", vec![tcp("h", 5432)]),
        ("{dsn: 'dbname=a dbname=b host=h'}", "osuser", "b", vec![tcp("h", 5432)]),
        ("{dsn: 'postgresql://u@h:1/d'}", "u", "d", vec![tcp("h", 1)]),
        ("{dsn: 'postgres://h'}", "osuser", "osuser", vec![tcp("h", 5432)]),
        ("{dsn: 'postgresql://u%40x:p%3A@[::1]:1,h/d%2F'}", "u@x", "d/", vec![tcp("::1", 1), tcp("h", 5432)]),
        ("{dsn: 'postgresql://%2Frun%2Fpg/d'}", "osuser", "d", vec![unix("/run/pg", 5432)]),
        ("{dsn: 'postgresql:///d?host=/run/pg&user=u&port=1'}", "u", "d", vec![unix("/run/pg", 1)]),
    ] {
        let connection = connection(args);
        assert_eq!((connection.user.as_str(), connection.dbname.as_str()), (user, dbname), "{args}");
        assert_eq!(connection.hosts, hosts, "{args}");
    }
    assert_eq!(password(&connection("{dsn: 'postgresql://u:p%3A%25@h'}")), Some("p:%"));
    assert_eq!(password(&connection("{dsn: \"password='a b\\\\\\\\c'\"}")), Some("a b\\c"));
}

#[test]
fn numbers_are_passwords_too_as_python_prints_them() {
    assert_eq!(password(&connection("{password: 12345}")), Some("12345"));
    assert_eq!(password(&connection("{password: 1e5}")), Some("1e5"));
    assert_eq!(password(&connection("{password: '0123'}")), Some("0123"));
    assert_eq!(password(&connection("{password: null}")), None);
}

#[test]
fn the_environment_fills_what_the_args_leave_open() {
    let setup = with_args("{user: given, host: ''}")
        .with_variable("PGUSER", "not this")
        .with_variable("PGHOST", "nor.this")
        .with_variable("PGPORT", "6432")
        .with_variable("PGDATABASE", "envdb")
        .with_variable("PGPASSWORD", "envpass")
        .with_variable("PGOPTIONS", "-c search_path=x")
        .with_variable("PGAPPNAME", "envname")
        .with_variable("PGCONNECT_TIMEOUT", "7")
        .with_variable("PGTARGETSESSIONATTRS", "read-write")
        .with_variable("PGCLIENTENCODING", "LATIN1");
    let connection = setup.config().database.connection;
    assert_eq!((connection.user.as_str(), connection.dbname.as_str()), ("given", "envdb"));
    assert_eq!(connection.hosts, [unix("/var/run/postgresql", 6432)]);
    assert_eq!(password(&connection), Some("envpass"));
    assert_eq!(connection.options.as_deref(), Some("-c search_path=x"));
    assert_eq!(connection.application_name, "envname");
    assert_eq!(connection.connect_timeout, Some(Duration::from_secs(7)));
    assert_eq!(connection.target_session_attrs, TargetSessionAttrs::ReadWrite);
}

#[test]
fn the_rest_of_the_keywords_is_read() {
    let connection = connection(
        "{keepalives_idle: 10, keepalives_interval: 5, keepalives_count: 3, tcp_user_timeout: 2500,
          connect_timeout: '4', load_balance_hosts: random, target_session_attrs: primary,
          channel_binding: require, fallback_application_name: fallback, client_encoding: utf8, options: -cgeqo=off}",
    );
    let keepalives = Keepalives {
        idle: Some(Duration::from_secs(10)),
        interval: Some(Duration::from_secs(5)),
        count: Some(3),
    };
    assert_eq!(connection.keepalives, Some(keepalives));
    assert_eq!(connection.tcp_user_timeout, Some(Duration::from_millis(2500)));
    assert_eq!(connection.connect_timeout, Some(Duration::from_secs(4)));
    assert!(connection.load_balance_hosts);
    assert_eq!(connection.target_session_attrs, TargetSessionAttrs::ReadWrite);
    assert_eq!(connection.channel_binding, ChannelBinding::Require);
    assert_eq!(connection.application_name, "fallback");
    assert_eq!(connection.options.as_deref(), Some("-cgeqo=off"));
}

#[test]
fn zero_switches_timeouts_and_keepalives_off() {
    let connection = connection("{keepalives: 0, connect_timeout: 0, tcp_user_timeout: 0}");
    assert_eq!(connection.keepalives, None);
    assert_eq!((connection.connect_timeout, connection.tcp_user_timeout), (None, None));
}

#[test]
fn a_service_comes_before_the_environment_and_after_the_args() {
    let service = "# comment\n[other]\nuser=wrong\n\n[synapse]\nuser=service\ndbname=servicedb\nport=7000\n[last]\nuser=no\n";
    let setup = with_args("{service: synapse, dbname: given}")
        .with_home(&[(".pg_service.conf", service)])
        .with_variable("PGUSER", "env")
        .with_variable("PGHOST", "env.test");
    let connection = setup.config().database.connection;
    assert_eq!((connection.user.as_str(), connection.dbname.as_str()), ("service", "given"));
    assert_eq!(connection.hosts, [tcp("env.test", 7000)]);
}

#[test]
fn a_service_file_can_be_named() {
    let setup = Setup::minimal();
    let file = setup.write("services", "[synapse]\ndbname=named\n");
    let setup = setup
        .with("worker.yaml", "database: {name: psycopg2, args: {}}")
        .with_variable("PGSERVICE", "synapse")
        .with_variable("PGSERVICEFILE", file.to_str().unwrap());
    assert_eq!(setup.config().database.connection.dbname, "named");

    let system = Setup::empty();
    system.write("pg_service.conf", "[synapse]\ndbname=system\n");
    let setup =
        with_args("{service: synapse}").with_variable("PGSYSCONFDIR", system.directory().to_str().unwrap());
    assert_eq!(setup.config().database.connection.dbname, "system");
}

#[test]
fn the_password_file_is_searched_for_the_first_line_that_fits() {
    let file = "#db.test:5432:d:u:comment\ndb.test:5433:d:u:port\nother:*:*:*:host\ndb.test:*:d:u:a\\:b\\\\c\n*:*:*:*:any\n";
    for (args, expected) in [
        ("{host: db.test, dbname: d, user: u}", "a:b\\c"),
        ("{host: db.test, dbname: d, user: u, port: 5433}", "port"),
        ("{host: 'other,db.test', dbname: d, user: u}", "host"),
        ("{host: db.test, dbname: e, user: u}", "any"),
        ("{host: db.test, dbname: d, user: u, password: inline}", "inline"),
        ("{host: db.test, dbname: d, user: u, password: ''}", "a:b\\c"),
    ] {
        let connection = with_args(args).with_home(&[(".pgpass", file)]).config().database.connection;
        assert_eq!(password(&connection), Some(expected), "{args}");
    }
}

#[test]
fn the_local_server_is_localhost_in_the_password_file() {
    let setup = with_args("{}").with_home(&[(".pgpass", "localhost:5432:osuser:osuser:local\n")]);
    assert_eq!(password(&setup.config().database.connection), Some("local"));
}

#[test]
fn a_password_file_that_others_may_read_is_not_used() {
    let setup = Setup::minimal();
    let file = setup.write("passwords", "*:*:*:*:s3cret\n");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let config = setup.with_variable("PGPASSFILE", file.to_str().unwrap()).config();
    assert_eq!(password(&config.database.connection), None);
    assert!(
        config.warnings.iter().any(|warning| warning.contains("passwords") && !warning.contains("s3cret"))
    );
}

#[test]
fn what_has_no_bearing_is_ignored_and_what_asks_for_nothing_is_accepted() {
    connection(
        "{sslcompression: 0, krbsrvname: postgres, gssencmode: prefer, replication: 'false', sslcrl: ''}",
    );
    connection("{gssencmode: disable, sslcertmode: allow, min_protocol_version: '3.0', gssdelegation: 0}");
}

#[test]
fn what_the_args_set_right_the_environment_cannot_make_wrong() {
    let setup = with_args("{gssencmode: disable}").with_variable("PGGSSENCMODE", "require");
    setup.config();
    let message = with_args("{}").with_variable("PGGSSENCMODE", "require").message();
    assert!(message.contains("environment variable PGGSSENCMODE"), "{message}");
}
