//! Clients over TLS that hardly take anything: between them and the kernel there is a buffer that hides it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use key_backup_testkit::{Account, TestDatabase, Worker, self_signed, temporary_folder};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::sleep,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::common::{binary, eventually, new_version};

/// Rooms with ten keys, twenty, and so on: wherever a buffer ends, some of these answers end in it.
const ROOMS: i32 = 60;

/// A worker that listens with TLS, and a user with a backup.
struct Fixture {
    // Fields are dropped in their order: the worker ends before its database.
    worker: Worker,
    alice: Account,
    folder: TempDir,
    _database: TestDatabase,
}

impl Fixture {
    async fn start() -> Self {
        let (database, folder) = (TestDatabase::create().await.unwrap(), temporary_folder().unwrap());
        self_signed(folder.path(), "worker", "DNS:localhost").unwrap();
        let path = folder.path().display();
        let yaml = format!(
            r#"
tls_certificate_path: "{path}/worker.crt"
tls_private_key_path: "{path}/worker.key"
worker_listeners:
  - {{type: http, path: "{path}/worker.sock", resources: [{{names: [client, metrics]}}]}}
  - {{type: http, port: 0, bind_addresses: [127.0.0.1], tls: true, resources: [{{names: [client]}}]}}
key_backup_worker: {{slow_client_timeout: 2s, max_restores_per_user: 100}}
"#
        );
        let worker = Worker::configure(binary()).folder(folder.path()).unix_socket().database(&database);
        let worker = worker.yaml(&yaml).start().await.unwrap();
        let alice = database.add_user("alice").await.unwrap();
        new_version(&worker.client().as_user(&alice.access_token)).await;
        fill(&database, &alice).await;
        Self { worker, alice, folder, _database: database }
    }

    fn address(&self) -> SocketAddr {
        let log = self.worker.log();
        log.lines().find_map(|line| line.split_once("listening on ")?.1.parse().ok()).unwrap()
    }

    /// Asks for the keys of a room. The kernel keeps little of the answer for us.
    async fn ask(&self, room: i32, connection: &str) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.folder.path().join("worker.crt")).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(8 * 1024).unwrap();
        let socket = socket.connect(self.address()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
        let request = format!(
            "GET /_matrix/client/v3/room_keys/keys/!room{room}?version=1 HTTP/1.1\r\nHost: x\r\nConnection: {connection}\r\nAuthorization: Bearer {}\r\n\r\n",
            self.alice.access_token
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }
}

async fn fill(database: &TestDatabase, user: &Account) {
    let sql = r#"
        INSERT INTO e2e_room_keys
            (user_id, version, room_id, session_id, first_message_index, forwarded_count, is_verified, session_data)
        SELECT $1, 1, '!room' || room, 'session' || n, n, 0, false, '{"mac":"' || repeat('x', 900) || '"}'
          FROM generate_series(1, $2::int) room, generate_series(1, room * 10) n"#;
    database.connect().await.unwrap().execute(sql, &[&user.user_id, &ROOMS]).await.unwrap();
}

/// How many connections have not been ended, besides our own to the Unix socket, and how many clients were too slow.
async fn open_and_ended(worker: &Worker) -> (i64, i64) {
    let open = worker.metric("key_backup_connections", &[]).await.unwrap() - 1;
    (open, worker.metric("key_backup_refused_total", &["reason=\"slow_answer\""]).await.unwrap())
}

#[tokio::test]
async fn clients_over_tls_that_take_nothing_are_ended_wherever_their_answers_wait() {
    let fixture = Fixture::start().await;
    let mut clients = Vec::new();
    for room in 1..=ROOMS {
        clients.push(fixture.ask(room, "close").await);
    }
    eventually("the end of all of them", async || {
        let (open, ended) = open_and_ended(&fixture.worker).await;
        open <= 0 && ended > 0
    })
    .await;
}

#[tokio::test]
async fn a_client_over_tls_that_takes_its_answer_slowly_gets_all_of_it() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.ask(40, "close").await;
    let (mut answer, mut piece) = (Vec::new(), vec![0; 6_000]);
    // 60 KB/s: it takes longer than the worker waits for a client that takes nothing.
    loop {
        match stream.read(&mut piece).await.unwrap() {
            0 => break,
            bytes => answer.extend_from_slice(&piece[..bytes]),
        }
        sleep(Duration::from_millis(100)).await;
    }
    assert!(answer.ends_with(b"}}"), "{} bytes", answer.len());
    assert_eq!(open_and_ended(&fixture.worker).await.1, 0);
}
