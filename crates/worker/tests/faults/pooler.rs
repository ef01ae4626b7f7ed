//! A pooler, as `PgBouncer`, that takes logins while its server is away.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use key_backup_testkit::{TestDatabase, Worker, services::PostgresAddress};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::common::{BACK, BEGINS, ENDS, VERSION, binary, new_version, readiness, refused, said, within};

/// What a server says last when somebody has logged in: `ReadyForQuery`, outside of a transaction.
const READY: &[u8] = b"Z\0\0\0\x05I";

/// Forwards everything. While its server is away it answers a login, and nothing after that.
struct Pooler {
    address: SocketAddr,
    server_is_away: Arc<AtomicBool>,
}

impl Pooler {
    async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server_is_away = Arc::new(AtomicBool::new(false));
        let is_away = Arc::clone(&server_is_away);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(server).await.unwrap();
                let is_new = Arc::new(AtomicBool::new(true));
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let (away, new) = (Arc::clone(&is_away), Arc::clone(&is_new));
                let passes = move |_: &[u8]| new.load(Ordering::SeqCst) || !away.load(Ordering::SeqCst);
                tokio::spawn(forward(from_client, to_server, passes));
                let passes = move |bytes: &[u8]| {
                    let is_login = bytes.windows(READY.len()).any(|window| window == READY);
                    is_new.fetch_and(!is_login, Ordering::SeqCst);
                    true
                };
                tokio::spawn(forward(from_server, to_client, passes));
            }
        });
        Self { address, server_is_away }
    }
}

/// Forwards what passes; what does not is lost, and the connection stays open.
async fn forward(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    passes: impl Fn(&[u8]) -> bool,
) {
    let mut buffer = vec![0; 65536];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if passes(&buffer[..read]) && to.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
}

#[tokio::test]
async fn a_pooler_that_takes_logins_while_its_server_is_away_makes_nobody_wait_long() {
    let database = TestDatabase::create().await.unwrap();
    let alice = database.add_user("alice").await.unwrap();
    let pooler = Pooler::start(([127, 0, 0, 1], database.server().port).into()).await;
    let server = PostgresAddress { port: pooler.address.port(), ..database.server().clone() };
    let yaml = server.database_yaml(database.name());
    let worker = Worker::configure(binary()).database(&database).yaml(&yaml).start().await.unwrap();
    let client = worker.client().as_user(&alice.access_token);
    pooler.server_is_away.store(true, Ordering::SeqCst);
    // The first request of all: it needs a connection that does not exist yet.
    refused(client.get(VERSION)).await;
    within(BACK, "the end of readiness", async || readiness(&worker).await == 503).await;
    pooler.server_is_away.store(false, Ordering::SeqCst);
    within(BACK, "readiness", async || readiness(&worker).await == 200).await;
    new_version(&client).await;
    assert_eq!((said(&worker, BEGINS), said(&worker, ENDS)), (1, 1), "{}", worker.log());
}
