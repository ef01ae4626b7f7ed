//! Workers whose listeners a test writes by itself.

use std::{iter, net::SocketAddr};

use key_backup_testkit::{TestDatabase, Worker, http::Client, temporary_folder};
use tempfile::TempDir;

use crate::common::binary;

/// A worker with listeners of the test's own. The testkit waits for it on a Unix socket that comes before them.
pub(crate) struct Listening {
    pub(crate) worker: Worker,
    pub(crate) database: TestDatabase,
    pub(crate) folder: TempDir,
}

impl Listening {
    /// `listeners` are the entries of `worker_listeners`, in YAML's short form; `yaml` is further configuration.
    pub(crate) async fn start(listeners: &[&str], yaml: &str) -> Self {
        let (database, folder) = (TestDatabase::create().await.unwrap(), temporary_folder().unwrap());
        let worker = Worker::configure(binary())
            .folder(folder.path())
            .unix_socket()
            .database(&database)
            .yaml(&worker_listeners(&folder, listeners))
            .yaml(yaml)
            .start()
            .await
            .unwrap();
        Self { worker, database, folder }
    }

    /// The addresses of the TCP listeners, in the order of the configuration.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let log = self.worker.log();
        log.lines().filter_map(|line| line.split_once("listening on ")?.1.parse().ok()).collect()
    }

    /// A client of the TCP listener of that number.
    pub(crate) fn client(&self, number: usize) -> Client {
        Client::new(key_backup_testkit::http::Address::Tcp(self.addresses()[number]))
    }
}

/// The testkit's Unix socket, and these listeners.
pub(crate) fn worker_listeners(folder: &TempDir, listeners: &[&str]) -> String {
    let socket = folder.path().join("worker.sock");
    let own = format!("{{type: http, path: \"{}\", resources: [{{names: [client]}}]}}", socket.display());
    let entries: Vec<&str> = iter::once(&*own).chain(listeners.iter().copied()).collect();
    format!("worker_listeners:\n  - {}\n", entries.join("\n  - "))
}
