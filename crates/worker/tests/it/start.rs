//! Starts that fail: one message, status 1, and nothing listens.

use std::{fs, net::TcpListener};

use key_backup_testkit::{Stopped, TestDatabase, Worker, services::Postgres, temporary_folder};

use crate::common::{VERSION, binary, new_version};

/// The only thing that a refused start writes is one message, which says this.
#[track_caller]
fn assert_refused(stopped: &Stopped, message: &str) {
    let errors: Vec<&str> = stopped.log.lines().filter(|line| !line.contains(" - ")).collect();
    assert_eq!(stopped.status.code(), Some(1), "{}", stopped.log);
    assert_eq!(errors.len(), 1, "{}", stopped.log);
    assert!(errors[0].starts_with("key-backup-worker: ") && errors[0].contains(message), "{}", stopped.log);
}

#[tokio::test]
async fn a_config_error_is_one_message_and_nothing_listens() {
    let (database, folder) = (TestDatabase::create().await.unwrap(), temporary_folder().unwrap());
    let secret = "s3cr3t-value";
    for (yaml, message) in [
        ("key_backup_worker: {thread: 1}\n", "key_backup_worker.thread: no such setting"),
        ("key_backup_worker: {threads: many}\n", "key_backup_worker.threads: expected"),
        ("max_upload_size: s3cr3t-value\n", "max_upload_size: expected"),
        ("database: {name: sqlite3}\n", "PostgreSQL"),
        ("database: {name: psycopg2, args: {port: s3cr3t-value}}\n", "database.args.port: expected"),
        ("redis: {enabled: true, password: a, password_path: /nowhere}\n", "password"),
        ("worker_listeners: [{type: http}]\n", "`port` or `path` is missing"),
        ("worker_log_config: /nowhere/log.yaml\n", "/nowhere/log.yaml"),
        ("a: [s3cr3t-value\n", ".yaml"),
    ] {
        let configure = Worker::configure(binary()).folder(folder.path()).unix_socket().database(&database);
        let stopped = configure.yaml(yaml).run_to_its_end().await.unwrap();
        assert_refused(&stopped, message);
        assert!(!stopped.log.contains(secret), "{}", stopped.log);
        assert!(!folder.path().join("worker.sock").exists(), "{yaml}");
        fs::remove_file(folder.path().join("worker.log")).unwrap();
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() {
    let folder = temporary_folder().unwrap();
    let missing = folder.path().join("homeserver.yaml");
    let stopped = Worker::configure(binary()).file(&missing).run_to_its_end().await.unwrap();
    assert_refused(&stopped, &missing.display().to_string());
}

#[tokio::test]
async fn a_wrong_command_line_ends_with_status_2() {
    let database = TestDatabase::create().await.unwrap();
    let configure = Worker::configure(binary()).database(&database).argument("--no-such-flag");
    let stopped = configure.run_to_its_end().await.unwrap();
    assert_eq!(stopped.status.code(), Some(2));
    assert!(stopped.log.contains("--no-such-flag"), "{}", stopped.log);
}

#[tokio::test]
async fn the_word_run_changes_nothing() {
    let database = TestDatabase::create().await.unwrap();
    let worker = Worker::configure(binary()).database(&database).argument("run").start().await.unwrap();
    assert_eq!(worker.client().get("/health").await.unwrap().status, 200);
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let database = TestDatabase::create().await.unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let yaml = format!(
        "worker_listeners: [{{type: http, port: {}, bind_addresses: [127.0.0.1], resources: [{{names: [client]}}]}}]\n",
        address.port()
    );
    let configure = Worker::configure(binary()).database(&database).yaml(&yaml);
    assert_refused(&configure.run_to_its_end().await.unwrap(), &format!("cannot listen on {address}"));
}

#[tokio::test]
async fn a_certificate_that_is_not_there_is_named() {
    let database = TestDatabase::create().await.unwrap();
    let yaml = "tls_certificate_path: /nowhere/a.crt\ntls_private_key_path: /nowhere/a.key\n\
                worker_listeners: [{type: http, port: 0, tls: true, bind_addresses: [127.0.0.1]}]\n";
    let configure = Worker::configure(binary()).database(&database).yaml(yaml);
    assert_refused(&configure.run_to_its_end().await.unwrap(), "/nowhere/a.crt");
}

/// A start on the database, once this SQL has been run on it.
async fn start_on(sql: &str) -> Stopped {
    let database = TestDatabase::create().await.unwrap();
    database.connect().await.unwrap().batch_execute(sql).await.unwrap();
    Worker::configure(binary()).database(&database).run_to_its_end().await.unwrap()
}

#[tokio::test]
async fn an_empty_database_is_refused_with_what_to_do_about_it() {
    let stopped = start_on("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await;
    assert_refused(&stopped, "table e2e_room_keys does not exist");
    assert!(stopped.log.contains("has Synapse's main process been started on it?"), "{}", stopped.log);
}

#[tokio::test]
async fn what_a_database_lacks_is_named() {
    let stopped = start_on("ALTER TABLE e2e_room_keys_versions DROP COLUMN etag").await;
    assert_refused(&stopped, "e2e_room_keys_versions.etag does not exist");
    let stopped = start_on("DROP INDEX e2e_room_keys_with_version_idx").await;
    let index = "e2e_room_keys has no unique index on (user_id, version, room_id, session_id)";
    assert_refused(&stopped, index);
    let stopped = start_on("ALTER TABLE e2e_room_keys ALTER version TYPE text").await;
    assert_refused(&stopped, "e2e_room_keys.version is text instead of bigint");
}

#[tokio::test]
async fn tables_that_the_worker_does_not_know_are_no_obstacle() {
    let database = TestDatabase::create().await.unwrap();
    let sql = "ALTER TABLE e2e_room_keys_versions ADD COLUMN later text; CREATE TABLE later ();
               UPDATE schema_version SET version = 999";
    database.connect().await.unwrap().batch_execute(sql).await.unwrap();
    let worker = Worker::configure(binary()).database(&database).start().await.unwrap();
    let alice = database.add_user("alice").await.unwrap();
    let client = worker.client().as_user(&alice.access_token);
    assert_eq!(new_version(&client).await, "1");
}

#[tokio::test]
async fn a_database_that_does_not_exist_yet_is_waited_for() {
    let server = Postgres::from_env().unwrap();
    let general = "server_name: example.com\nreport_stats: false\n".to_owned();
    let yaml = general + &server.database_yaml("no such database");
    let worker = Worker::configure(binary()).yaml(&yaml).start().await.unwrap();
    let answer = worker.client().as_user("token").get(VERSION).await.unwrap();
    assert_eq!(answer.status, 503);
    assert!(worker.log().contains("no such database"), "{}", worker.log());
}
