//! What the service manager is told.

use std::path::Path;

use key_backup_testkit::{TestDatabase, Worker, temporary_folder};
use nix::sys::signal::Signal;
use tokio::{net::UnixDatagram, time::timeout};

use crate::{
    common::{SOON, binary},
    listening::worker_listeners,
};

/// The next datagram, as lines.
async fn received(socket: &UnixDatagram) -> Vec<String> {
    let mut buffer = vec![0; 4096];
    let length = timeout(SOON, socket.recv(&mut buffer)).await.expect("a datagram in time").unwrap();
    let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// A worker whose service manager listens at that path.
async fn start(database: &TestDatabase, socket: &Path) -> Worker {
    Worker::configure(binary()).database(database).environment("NOTIFY_SOCKET", socket).start().await.unwrap()
}

#[tokio::test]
async fn systemd_hears_of_ready_reloading_and_stopping() {
    let (database, folder) = (TestDatabase::create().await.unwrap(), temporary_folder().unwrap());
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let worker = start(&database, &path).await;
    let ready = received(&socket).await;
    assert_eq!(ready, ["READY=1".to_owned(), format!("MAINPID={}", worker.process().pid())]);
    worker.process().signal(Signal::SIGHUP).unwrap();
    let reloading = received(&socket).await;
    assert_eq!(reloading[0], "RELOADING=1");
    // Units of `Type=notify-reload` need the time.
    assert!(reloading[1].strip_prefix("MONOTONIC_USEC=").unwrap().parse::<u64>().is_ok());
    assert_eq!(received(&socket).await, ["READY=1"]);
    let stopped = worker.stop().await.unwrap();
    assert_eq!(received(&socket).await, ["STOPPING=1"]);
    assert!(stopped.status.success());
}

#[tokio::test]
async fn a_service_manager_that_is_gone_does_no_harm() {
    let (database, folder) = (TestDatabase::create().await.unwrap(), temporary_folder().unwrap());
    let worker = start(&database, &folder.path().join("nobody")).await;
    assert!(worker.stop().await.unwrap().status.success());
}

#[tokio::test]
async fn systemds_watchdog_hears_of_the_worker_again_and_again() {
    let (database, folder) = (TestDatabase::create().await.unwrap(), temporary_folder().unwrap());
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let worker = Worker::configure(binary())
        .folder(folder.path())
        .unix_socket()
        .database(&database)
        .yaml(&worker_listeners(&folder, &["{type: http, port: 0, bind_addresses: [127.0.0.1]}"]))
        .yaml("key_backup_worker: {threads: 3}")
        .environment("NOTIFY_SOCKET", &path)
        .environment("WATCHDOG_USEC", "100000")
        .start()
        .await
        .unwrap();
    assert_eq!(received(&socket).await[0], "READY=1");
    for _ in 0..5 {
        assert_eq!(received(&socket).await, ["WATCHDOG=1"]);
    }
    assert!(worker.stop().await.unwrap().status.success());
}
