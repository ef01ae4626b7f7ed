//! `key-backup-worker healthcheck`, as a container's health check runs it.

use std::{
    io::{self, Read, Write},
    net::TcpListener,
    path::Path,
    process::{Command, Output},
    thread,
};

use key_backup_testkit::{Worker, WorkerConfig};
use tempfile::TempDir;

/// `/health` checks nothing behind the worker, so the database need not be there.
const NO_DATABASE: &str = "server_name: example.com
report_stats: false
database: {name: psycopg2, args: {user: synapse, host: 127.0.0.1, port: 1}}
";

fn worker(folder: &TempDir) -> WorkerConfig {
    Worker::configure(env!("CARGO_BIN_EXE_key-backup-worker")).folder(folder.path()).yaml(NO_DATABASE)
}

fn healthcheck(config: &Path) -> io::Result<Output> {
    Command::new(env!("CARGO_BIN_EXE_key-backup-worker")).arg("healthcheck").arg("-c").arg(config).output()
}

#[tokio::test]
async fn a_worker_is_well_on_a_port_until_it_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let worker = worker(&folder).start().await.unwrap();
    let output = healthcheck(folder.path()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    worker.stop().await.unwrap();
    let output = healthcheck(folder.path()).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot ask 127.0.0.1:"));
}

#[tokio::test]
async fn a_worker_is_well_on_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let _worker = worker(&folder).unix_socket().start().await.unwrap();
    let output = healthcheck(folder.path()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn any_other_status_is_not_well() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut connection = listener.accept().unwrap().0;
        // Closing a connection with something unread in it may throw away the answer.
        let _ = connection.read(&mut [0; 256]).unwrap();
        connection.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").unwrap();
    });
    let folder = tempfile::tempdir().unwrap();
    let listeners = format!(
        "worker_name: key_backup1\nworker_listeners: [{{type: http, port: {port}, bind_addresses: [127.0.0.1]}}]\n"
    );
    std::fs::write(folder.path().join("worker.yaml"), NO_DATABASE.to_owned() + &listeners).unwrap();
    let output = healthcheck(folder.path()).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("502 Bad Gateway"));
}

#[test]
fn a_listener_that_cannot_be_asked_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let config = NO_DATABASE.to_owned() + "worker_name: key_backup1\n";
    std::fs::write(folder.path().join("worker.yaml"), config).unwrap();
    let output = healthcheck(folder.path()).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no `http` listener without TLS"));
}
