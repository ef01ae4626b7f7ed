//! SIGTERM under load.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use key_backup_testkit::{
    TestDatabase, Worker,
    http::{Address, Connection, Request},
    services::Nginx,
    temporary_folder,
};
use tokio::task::JoinSet;

use crate::common::{SOON, VERSION, binary, eventually, keys, new_version, upload, version_body};

#[tokio::test]
async fn an_answer_of_a_worker_that_stops_closes_its_connection_and_readiness_is_over() {
    let database = TestDatabase::create().await.unwrap();
    let worker = Worker::configure(binary()).database(&database).start().await.unwrap();
    let mut connection = Connection::open(worker.address()).await.unwrap();
    let answer = connection.request(&Request::new("GET", "/health")).await.unwrap();
    assert_eq!(answer.header("Connection"), None);
    worker.process().signal(nix::sys::signal::Signal::SIGTERM).unwrap();
    eventually("the signal's effect", async || worker.log().contains("stopping: ")).await;
    let answer = connection.request(&Request::new("GET", "/ready")).await.unwrap();
    assert_eq!((answer.status, answer.text()), (503, "stopping".into()));
    assert_eq!(answer.header("Connection"), Some("close"));
    assert!(connection.is_closed_within(SOON).await);
}

/// What the clients of a deployment do all the time, and count.
struct Load {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    tasks: JoinSet<Vec<String>>,
}

impl Load {
    /// Each client has one connection to the proxy, on which it sends one request after another. It repeats nothing.
    fn begin(proxy: &Address, clients: Vec<Vec<Request>>) -> Self {
        let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = JoinSet::new();
        for requests in clients {
            let (stop, served, proxy) = (Arc::clone(&stop), Arc::clone(&served), proxy.clone());
            tasks.spawn(async move {
                let mut connection = Connection::open(&proxy).await.unwrap();
                let mut failures = Vec::new();
                for request in requests.iter().cycle().take_while(|_| !stop.load(Ordering::Relaxed)) {
                    match connection.request(request).await {
                        Ok(answer) if answer.status == 200 => drop(served.fetch_add(1, Ordering::Relaxed)),
                        Ok(answer) => failures.push(format!("{}: {}", answer.status, answer.text())),
                        Err(error) => {
                            failures.push(format!("{error:#}"));
                            connection = Connection::open(&proxy).await.unwrap();
                        }
                    }
                }
                failures
            });
        }
        Self { stop, served, tasks }
    }

    /// Waits until the clients have had so many more answers.
    async fn goes_on(&self) {
        let before = self.served.load(Ordering::Relaxed);
        eventually("a hundred requests more", async || self.served.load(Ordering::Relaxed) > before + 100)
            .await;
    }

    async fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.tasks.join_all().await.concat()
    }
}

fn uses() -> Vec<Request> {
    vec![
        Request::new("GET", VERSION),
        Request::new("PUT", &keys("1")).json(&upload(3)),
        Request::new("GET", &keys("1")),
    ]
}

/// What nginx does not send a second time, whatever happens to the first.
fn creates() -> Vec<Request> {
    vec![Request::new("POST", VERSION).json(&version_body())]
}

async fn instance(database: &TestDatabase, folder: &Path) -> Worker {
    Worker::configure(binary()).database(database).unix_socket().folder(folder).start().await.unwrap()
}

#[tokio::test]
async fn a_rolling_restart_behind_nginx_is_not_noticed_by_clients_that_repeat_nothing() {
    let (database, folder) = (TestDatabase::create().await.unwrap(), temporary_folder().unwrap());
    let folders = ["one", "two"].map(|name| folder.path().join(name));
    let mut workers = Vec::new();
    for folder in &folders {
        workers.push(instance(&database, folder).await);
    }
    let addresses: Vec<_> = workers.iter().map(|worker| worker.address().clone()).collect();
    let nginx = Nginx::balance(&folder.path().join("nginx"), &addresses).await.unwrap();
    let mut clients = Vec::new();
    for number in 0..8 {
        let user = database.add_user(&format!("user{number}")).await.unwrap();
        new_version(&workers[0].client().as_user(&user.access_token)).await;
        let requests = if number < 6 { uses() } else { creates() };
        clients.push(requests.into_iter().map(|request| request.bearer(&user.access_token)).collect());
    }
    let load = Load::begin(&nginx.address(), clients);
    load.goes_on().await;
    for (worker, folder) in workers.iter_mut().zip(&folders) {
        worker.process().signal(nix::sys::signal::Signal::SIGTERM).unwrap();
        eventually("the end", async || worker.log().contains("- stopped")).await;
        load.goes_on().await;
        *worker = instance(&database, folder).await;
        load.goes_on().await;
    }
    assert_eq!(load.end().await, Vec::<String>::new());
}
