//! `doctor` on deployments that are well, and on such that are not.

use std::{fs, net::TcpListener, os::unix::net::UnixListener, process::Command, time::Duration};

use key_backup_testkit::{
    TestDatabase, Worker,
    services::{Postgres, Redis, Synapse, SynapseVenv},
    temporary_folder,
};

use crate::{
    grants::{GENERAL, all_operations},
    support::{BINARY, Role, SECRET, Setup},
};

#[tokio::test]
async fn a_deployment_with_a_real_synapse_is_well_and_so_is_the_worker_in_it() {
    let folder = temporary_folder().unwrap();
    let server = Postgres::from_env().unwrap();
    // A Redis of its own: another test's Synapse would answer on the same channel.
    let redis = Redis::start(&folder.path().join("redis")).await.unwrap();
    let venv = SynapseVenv::from_env().unwrap();
    let synapse =
        Synapse::start(&venv, &folder.path().join("synapse"), &server, redis.address()).await.unwrap();
    let alice = synapse.register("alice").await.unwrap();
    let role = Role::create(&server, synapse.database()).await;
    let database = role.database_yaml(&server.database_yaml(synapse.database()));
    let own = folder.path().join("worker");
    let worker = Worker::configure(BINARY).file(synapse.config()).yaml(&database).folder(&own);
    let worker = worker.start().await.unwrap();
    all_operations(&worker.client(), &alice).await;
    let setup = Setup::new("{}").with_path(synapse.config()).with_path(&own);
    let diagnosis = setup.doctor().await;
    let complaints = diagnosis.complaints();
    // The worker's folder holds its log, too.
    let expected = |complaint: &String| complaint.starts_with("warning config: ");
    assert!(complaints.iter().all(expected), "{complaints:#?}");
    assert_eq!(diagnosis.ended.code, Some(0));
    diagnosis.expect("redis.replication", "ok", "generic_worker1, master");
    diagnosis.expect("redis.user_ip", "ok", "Synapse hears who was seen");
    diagnosis.expect("listeners", "ok", "a key-backup-worker answers on 127.0.0.1:");
    worker.stop().await.unwrap();
    setup.doctor().await.expect("listeners", "ok", " is free");
    drop(synapse);
    role.drop().await;
}

#[tokio::test]
async fn everything_down_is_told_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    for (database, redis) in [(1, 1), (port, port)] {
        let yaml = format!(
            "database: {{name: psycopg2, args: {{user: u, password: s3cret, host: 127.0.0.1, port: {database}}}}}
redis: {{enabled: true, password: s3cret, host: 127.0.0.1, port: {redis}}}"
        );
        let diagnosis = Setup::new(GENERAL).with(&yaml).doctor().await;
        assert!(diagnosis.ended.time < Duration::from_secs(8), "{:?}", diagnosis.ended.time);
        assert_eq!(diagnosis.ended.code, Some(1));
        assert_eq!(diagnosis.report["level"], "problem");
        assert_eq!(diagnosis.report["problems"], 2, "{:#}", diagnosis.report);
        diagnosis.expect("database.connection", "problem", "pg_hba.conf");
        diagnosis.expect("redis.connection", "problem", "section `redis`");
        assert!(!diagnosis.ended.stdout.contains(SECRET) && diagnosis.ended.stderr.is_empty());
    }
}

#[tokio::test]
async fn people_get_lines_with_advice_below() {
    let ended =
        Setup::new(GENERAL).with("database: {name: psycopg2, args: {user: u, host: 127.0.0.1, port: 1}}");
    let ended = ended.run(&["doctor"]).await;
    assert_eq!(ended.code, Some(1));
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(lines[0], "ok       config: it can be used");
    assert!(lines[1].starts_with("PROBLEM  database.connection: "), "{}", ended.stdout);
    assert!(lines[2].starts_with("         > "), "{}", ended.stdout);
    assert_eq!(*lines.last().unwrap(), "1 problem, 1 warning");
}

#[tokio::test]
async fn a_wrong_configuration_is_a_finding() {
    let diagnosis =
        Setup::new(GENERAL).with("database: {name: psycopg2, args: {pasword: s3cret}}").doctor().await;
    assert_eq!(diagnosis.ended.code, Some(1));
    diagnosis.expect("config", "problem", "1.yaml, line 1, database.args.pasword");
    assert!(!diagnosis.ended.stdout.contains(SECRET));
}

#[tokio::test]
async fn a_database_that_is_not_synapses_is_told() {
    let database = TestDatabase::create().await.unwrap();
    let client = database.connect().await.unwrap();
    client.batch_execute("ALTER TABLE users DROP COLUMN locked").await.unwrap();
    let setup = Setup::new(GENERAL).with(&database.database_yaml());
    setup.doctor().await.expect("database.schema", "problem", "users.locked does not exist");
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_a_problem() {
    let database = TestDatabase::create().await.unwrap();
    let yaml = database.database_yaml() + "    options: -c default_transaction_read_only=on\n";
    Setup::new(GENERAL).with(&yaml).doctor().await.expect("database.server", "problem", "it takes no writes");
}

#[tokio::test]
async fn a_redis_without_synapse_and_a_login_that_is_refused_are_problems() {
    let folder = temporary_folder().unwrap();
    let redis = Redis::start(folder.path()).await.unwrap();
    let database = TestDatabase::create().await.unwrap();
    let setup = Setup::new(GENERAL).with(&database.database_yaml());
    let lonely = setup.with(&redis.address().redis_yaml()).doctor().await;
    lonely.expect("redis.commands", "ok", "can be shared");
    lonely.expect("redis.replication", "problem", "no process of Synapse answers on the channel example.com");
    lonely.expect("redis.user_ip", "warning", "nobody listens");
    let setup = Setup::new(GENERAL).with(&database.database_yaml());
    let yaml = redis.address().redis_yaml() + "  username: nobody\n  password: s3cret\n";
    let refused = setup.with(&yaml).doctor().await;
    refused.expect("redis.connection", "problem", "section `redis`");
    assert!(!refused.ended.stdout.contains(SECRET));
}

#[tokio::test]
async fn listeners_that_cannot_be_opened_are_told_of() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let setup = Setup::new(GENERAL);
    let socket = setup.path("other.sock");
    let _other_socket = UnixListener::bind(&socket).unwrap();
    // Left over by a process that was killed.
    drop(UnixListener::bind(setup.path("left.sock")).unwrap());
    setup.write("file", "");
    for (listener, level, text) in [
        (format!("port: {}, bind_addresses: [127.0.0.1]", taken.port()), "ok", "is free"),
        (
            format!("port: {}, bind_addresses: [127.0.0.1]", other.local_addr().unwrap().port()),
            "warning",
            "something else",
        ),
        ("port: 1, bind_addresses: [192.0.2.1]".to_owned(), "problem", "cannot listen on 192.0.2.1:1"),
        ("path: other.sock".to_owned(), "warning", "something else listens on other.sock"),
        ("path: left.sock".to_owned(), "ok", "left.sock is free"),
        ("path: new.sock".to_owned(), "ok", "new.sock is free"),
        ("path: file".to_owned(), "problem", "no socket"),
        ("path: /nowhere/kb.sock".to_owned(), "problem", "cannot listen on /nowhere/kb.sock"),
    ] {
        let file = setup.write("listener", format!("worker_listeners: [{{type: http, {listener}}}]"));
        let database =
            setup.write("database", "database: {name: psycopg2, args: {user: u, host: 127.0.0.1, port: 1}}");
        let output = Command::new(BINARY)
            .current_dir(setup.path("."))
            .args(["doctor", "-c", "0.yaml", "-c"])
            .args([&file, std::path::Path::new("-c"), &database])
            .output()
            .unwrap();
        let report = String::from_utf8(output.stdout).unwrap();
        let line = report.lines().find(|line| line.contains(" listeners: ")).unwrap();
        assert!(line.to_lowercase().starts_with(level) && line.contains(text), "{listener}\n{report}");
    }
    assert!(setup.path("left.sock").exists() && !setup.path("new.sock").exists());
}

#[tokio::test]
async fn a_log_that_cannot_be_written_is_a_problem() {
    for (file, level, text) in [("kb.log", "ok", "kb.log"), ("/nowhere/kb.log", "problem", "/nowhere/kb.log")]
    {
        let setup = Setup::new(GENERAL)
            .with("{worker_log_config: log.yaml, database: {name: psycopg2, args: {user: u, host: 127.0.0.1, port: 1}}}");
        let log = format!(
            "{{root: {{handlers: [h]}}, handlers: {{h: {{class: logging.FileHandler, filename: {file}}}}}}}"
        );
        setup.write("log.yaml", log);
        setup.doctor().await.expect("log", level, text);
        assert!(!setup.path("kb.log").exists());
    }
}

#[tokio::test]
async fn nginx_understands_the_lines_for_it() {
    let yaml = "
database: {name: psycopg2, args: {user: u, host: 127.0.0.1, port: 1}}
worker_listeners:
  - {type: http, path: kb.sock, resources: [{names: [client]}]}
  - {type: http, port: 8083, x_forwarded: true, bind_addresses: ['::1'], resources: [{names: [client]}]}
";
    let setup = Setup::new(GENERAL).with(yaml);
    let diagnosis = setup.doctor().await;
    let lines = diagnosis.finding("reverse_proxy")["advice"].as_str().unwrap().to_owned();
    for place in ["unix:kb.sock", "[::1]:8083"] {
        assert!(lines.contains(&format!("server {place} max_fails=0;")), "{lines}");
    }
    let (http, server) = lines.split_once("# in server { }\n").unwrap();
    let folder = setup.path(".").canonicalize().unwrap();
    let conf = format!(
        "pid {0}/nginx.pid; error_log stderr; events {{}} http {{ access_log off; client_body_temp_path {0}/b; \
         proxy_temp_path {0}/p; fastcgi_temp_path {0}/f; uwsgi_temp_path {0}/u; scgi_temp_path {0}/s;\n{http}\n\
         server {{ listen 127.0.0.1:1;\n{server}\n}} }}",
        folder.display()
    );
    fs::write(setup.path("nginx.conf"), conf).unwrap();
    let mut nginx = Command::new("/usr/sbin/nginx");
    let output = nginx.args(["-t", "-e", "stderr", "-c"]).arg(folder.join("nginx.conf")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
