//! The reverse proxies' configurations in `deploy/proxies`, run by the programs for which they are.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::{fs, path::Path};

use key_backup_testkit::{
    TestDatabase, Worker,
    http::{Address, Client, Request},
    services::{ReverseProxy, ReverseProxyKind},
    temporary_folder,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const PROXIES: [(ReverseProxyKind, &str); 3] = [
    (ReverseProxyKind::Nginx, "nginx.conf"),
    (ReverseProxyKind::Haproxy, "haproxy.cfg"),
    (ReverseProxyKind::Caddy, "Caddyfile"),
];
const ROOM_KEYS: &str = "/_matrix/client/v3/room_keys";

/// The configuration with its upstreams in other places: the first worker at `worker`, nobody in the second one's, and everything else
/// at `synapse`. nginx's canary is at its end.
async fn start(
    kind: ReverseProxyKind,
    file: &str,
    worker: &Address,
    synapse: &str,
) -> (ReverseProxy, TempDir) {
    let folder = temporary_folder().unwrap();
    let config =
        config(file, worker, synapse).await.replace("http://$room_keys_upstream", "http://key_backup");
    (ReverseProxy::start(kind, folder.path(), &config).await.unwrap(), folder)
}

async fn config(file: &str, worker: &Address, synapse: &str) -> String {
    let Address::Tcp(worker) = worker else { panic!("no TCP port") };
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/proxies").join(file);
    fs::read_to_string(path)
        .unwrap()
        .replace("127.0.0.1:8008", synapse)
        .replace("127.0.0.1:8083", &worker.to_string())
        .replace("127.0.0.1:8084", &nobody.to_string())
}

/// A server that answers each request with the head that it got, and says who it is. Its address.
async fn echo(name: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(answer(client, name));
        }
    });
    address.to_string()
}

async fn answer(mut client: TcpStream, name: &str) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match client.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let length = head.len();
    let start =
        format!("HTTP/1.1 200 OK\r\nServer: {name}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    // Whoever hangs up does not want the answer.
    _ = client.write_all(&[start.as_bytes(), &head].concat()).await;
}

async fn worker(database: &TestDatabase) -> Worker {
    let binary = env!("CARGO_BIN_EXE_key-backup-worker");
    Worker::configure(binary).database(database).start().await.unwrap()
}

#[tokio::test]
async fn a_backup_goes_through_each_proxy_to_a_worker_and_the_rest_to_synapse() {
    let database = TestDatabase::create().await.unwrap();
    let worker = worker(&database).await;
    let synapse = echo("synapse").await;
    for (number, (kind, file)) in PROXIES.into_iter().enumerate() {
        let (proxy, _folder) = start(kind, file, worker.address(), &synapse).await;
        let alice = database.add_user(&format!("alice{number}")).await.unwrap();
        let client = Client::new(proxy.address()).as_user(&alice.access_token);
        let version = json!({ "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": {} });
        let made = client.post(&format!("{ROOM_KEYS}/version"), &version).await.unwrap();
        assert_eq!(made.status, 200, "{file}: {}", made.text());
        // More than the bodies that nginx takes by default.
        let session_data = json!({ "ciphertext": "c".repeat(3_000_000) });
        let key = json!({ "first_message_index": 0, "forwarded_count": 0, "is_verified": true, "session_data": session_data });
        let path = format!("{ROOM_KEYS}/keys/!room%3Aexample.com/a%2Fb%2Bc+d?version=1");
        // Caddy's first request to the worker that is not there must not be an upload: it cannot send a body twice.
        for _ in 0..4 {
            assert_eq!(client.get(&path).await.unwrap().status, 404, "{file}");
        }
        // Several times, because every second one would go to the worker that is not there.
        for _ in 0..4 {
            let stored = client.put(&path, &key).await.unwrap();
            assert_eq!((stored.status, &*stored.text()), (200, r#"{"etag":"1","count":1}"#), "{file}");
            assert_eq!(client.get(&path).await.unwrap().json().unwrap(), key, "{file}");
        }
        let direct = worker.client().as_user(&alice.access_token);
        let rooms = direct.get(&format!("{ROOM_KEYS}/keys?version=1")).await.unwrap().json().unwrap();
        assert!(rooms["rooms"]["!room:example.com"]["sessions"]["a/b+c+d"].is_object(), "{file}");
        for path in
            ["/_matrix/client/v3/sync", "/_matrix/client/v3/keys/query", "/_matrix/federation/v1/version"]
        {
            assert_eq!(client.get(path).await.unwrap().status, 200, "{file}: {path}");
        }
    }
}

#[tokio::test]
async fn each_proxy_hands_the_path_on_undecoded_and_says_who_asks() {
    let key_backup = Address::Tcp(echo("key_backup").await.parse().unwrap());
    let synapse = echo("synapse").await;
    let target = format!("{ROOM_KEYS}/keys/!r%3Ax/a%2Fb%2Bc?version=1");
    for (kind, file) in PROXIES {
        let (proxy, _folder) = start(kind, file, &key_backup, &synapse).await;
        let request = Request::new("GET", &target).header("X-Forwarded-For", "203.0.113.9");
        let head = Client::new(proxy.address()).send(request).await.unwrap().text().to_lowercase();
        assert!(head.starts_with(&format!("get {} http/1.1\r\n", target.to_lowercase())), "{file}: {head}");
        // What the client claims of itself counts for nothing.
        assert!(head.contains("\r\nx-forwarded-for: 127.0.0.1\r\n"), "{file}: {head}");
        assert!(!head.contains("203.0.113.9"), "{file}: {head}");
        assert!(head.contains("\r\nx-forwarded-proto: http\r\n"), "{file}: {head}");
        let id = head.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap();
        assert!(id.len() >= 32, "{file}: {id}");
    }
}

#[tokio::test]
async fn the_canary_sends_its_share_of_devices_to_the_workers_and_each_always_the_same_way() {
    let database = TestDatabase::create().await.unwrap();
    let worker = worker(&database).await;
    let folder = temporary_folder().unwrap();
    let config = config("nginx.conf", worker.address(), &echo("synapse").await).await;
    let proxy = ReverseProxy::start(ReverseProxyKind::Nginx, folder.path(), &config).await.unwrap();
    let goes_to_worker = async |token: &str| {
        let client = Client::new(proxy.address()).as_user(token);
        // The worker does not know these tokens.
        client.get(&format!("{ROOM_KEYS}/version")).await.unwrap().status == 401
    };
    let mut share = 0;
    for number in 0..300 {
        let token = format!("token{number}");
        let first = goes_to_worker(&token).await;
        share += u32::from(first);
        assert_eq!(goes_to_worker(&token).await, first, "{token}");
    }
    // The tokens are always the same ones, and so is their share.
    assert!((15..=45).contains(&share), "{share} of 300 in place of about 30");
}
