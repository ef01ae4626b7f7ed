//! `worker_listeners`: where the worker listens, and what is served there.

use std::{fs, os::unix::fs::PermissionsExt};

use key_backup_testkit::{
    TestDatabase, Worker,
    http::{Address, Client, Request},
    temporary_folder,
};

use crate::{
    common::{Fixture, VERSION, assert_error, binary, eventually},
    listening::Listening,
};

const LOOPBACK: &str = "{type: http, port: 0, bind_addresses: [127.0.0.1], resources: [{names: [client]}]}";

#[tokio::test]
async fn health_is_exact_and_on_every_http_listener() {
    let bare = "{type: http, port: 0, bind_addresses: [127.0.0.1]}";
    let listening = Listening::start(&[LOOPBACK, bare], "").await;
    for client in [listening.worker.client(), listening.client(0), listening.client(1)] {
        let health = client.get("/health").await.unwrap();
        assert_eq!((health.status, health.text().as_str()), (200, "OK"));
        assert_eq!(health.header("Content-Type"), Some("text/plain"));
        assert_eq!(health.header("Access-Control-Allow-Origin"), None);
        assert_eq!(client.get("/health?x=1").await.unwrap().status, 200);
        for path in ["/health/", "/health/x", "//health"] {
            assert_error(&client.get(path).await.unwrap(), 404, "M_UNRECOGNIZED", "Unrecognized request");
        }
    }
    // Without the resource `client` there is no key backup.
    assert_eq!(listening.client(0).get(VERSION).await.unwrap().status, 401);
    assert_eq!(listening.client(1).get(VERSION).await.unwrap().status, 404);
}

#[tokio::test]
async fn each_of_several_addresses_is_served() {
    let listener =
        "{type: http, port: 0, bind_addresses: [127.0.0.1, 127.0.0.2], resources: [{names: [client]}]}";
    let listening = Listening::start(&[listener, LOOPBACK], "").await;
    let addresses = listening.addresses();
    let hosts: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    assert_eq!(hosts, ["127.0.0.1", "127.0.0.2", "127.0.0.1"]);
    for number in 0..addresses.len() {
        assert_eq!(listening.client(number).get(VERSION).await.unwrap().status, 401);
    }
}

#[tokio::test]
async fn what_may_be_done_at_once_is_for_all_listeners_together() {
    let own = "key_backup_worker: {threads: 1, max_requests_in_flight: 1, max_queue_time: 200}";
    let listening = Listening::start(&[LOOPBACK, LOOPBACK], own).await;
    let alice = listening.database.add_user("alice").await.unwrap();
    let [first, second] = [0, 1].map(|number| listening.client(number).as_user(&alice.access_token));
    let mut administrator = listening.database.connect().await.unwrap();
    let lock = administrator.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE access_tokens IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let (waits, is_refused) = tokio::join!(first.get(VERSION), async {
        let waiting = async || listening.database.waiting_for_locks().await.unwrap();
        eventually("a query that waits for the lock", async || waiting().await > 0).await;
        let refused = second.get(VERSION).await.unwrap();
        lock.rollback().await.unwrap();
        refused
    });
    assert_eq!((is_refused.status, waits.unwrap().status), (503, 404));
}

#[tokio::test]
async fn a_unix_socket_has_its_mode_whatever_the_umask() {
    let folder = temporary_folder().unwrap();
    let path = folder.path().join("own.sock");
    let listener =
        format!("{{type: http, path: \"{}\", mode: 0640, resources: [{{names: [client]}}]}}", path.display());
    let listening = Listening::start(&[&listener], "").await;
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&path), 0o640);
    assert_eq!(mode(&listening.folder.path().join("worker.sock")), 0o666);
    let alice = listening.database.add_user("alice").await.unwrap();
    let client = Client::new(Address::unix(&path)).as_user(&alice.access_token);
    assert_error(&client.get(VERSION).await.unwrap(), 404, "M_NOT_FOUND", "No backup found");
}

#[tokio::test]
async fn a_socket_that_a_killed_worker_left_is_replaced_and_one_in_use_is_not() {
    let (database, folder) = (TestDatabase::create().await.unwrap(), temporary_folder().unwrap());
    let configure = || Worker::configure(binary()).folder(folder.path()).unix_socket().database(&database);
    configure().start().await.unwrap().kill().await.unwrap();
    assert!(folder.path().join("worker.sock").exists());
    let second = configure().start().await.unwrap();
    let third = configure().run_to_its_end().await.unwrap();
    assert_eq!(third.status.code(), Some(1));
    assert!(third.log.contains("cannot listen on"), "{}", third.log);
    assert_eq!(second.client().get("/health").await.unwrap().status, 200);
}

/// The request log's line about the request with this user agent.
async fn line(worker: &Worker, user_agent: &str) -> String {
    let mut found = None;
    eventually("the line in the request log", async || {
        found =
            worker.log().lines().find(|line| line.contains(&format!("\"{user_agent}\""))).map(str::to_owned);
        found.is_some()
    })
    .await;
    found.unwrap()
}

#[tokio::test]
async fn x_forwarded_for_is_read_only_where_the_listener_says_so() {
    let forwarded = "{type: http, port: 0, bind_addresses: [127.0.0.1], x_forwarded: true, resources: [{names: [client]}]}";
    let listening = Listening::start(&[LOOPBACK, forwarded], "").await;
    let socket = listening.folder.path().join("worker.sock").display().to_string();
    for (client, header, ip, user_agent) in [
        (listening.client(0), Some("203.0.113.9"), "127.0.0.1", "not-forwarded"),
        (listening.client(1), Some(" 203.0.113.9 , 10.0.0.1"), "203.0.113.9", "forwarded"),
        (listening.client(1), Some("caf\u{e9}"), "127.0.0.1", "not-ascii"),
        (listening.client(1), None, "127.0.0.1", "no-header"),
        (listening.worker.client(), Some("2001:db8::1"), "2001:db8::1", "unix-forwarded"),
        (listening.worker.client(), None, &*socket, "unix"),
    ] {
        let request = Request::new("GET", VERSION).header("User-Agent", user_agent);
        let request = header.map_or(request.clone(), |value| request.header("X-Forwarded-For", value));
        assert_eq!(client.send(request).await.unwrap().status, 401);
        let line = line(&listening.worker, user_agent).await;
        assert!(line.contains(&format!(" - {ip} - ")), "{line}");
    }
}

#[tokio::test]
async fn tag_port_and_request_id_are_in_the_request_log() {
    let tagged = "{type: http, port: 0, bind_addresses: [127.0.0.1], tag: my-tag, request_id_header: x-request-id, resources: [{names: [client]}]}";
    let listening = Listening::start(&[tagged, LOOPBACK], "").await;
    let request = |user_agent: &str| Request::new("GET", VERSION).header("User-Agent", user_agent);
    let with_id = request("with-id").header("X-Request-ID", "abc");
    listening.client(0).send(with_id.clone()).await.unwrap();
    listening.client(0).send(request("without-id")).await.unwrap();
    listening.client(1).send(request("untagged").header("X-Request-ID", "abc")).await.unwrap();
    listening.worker.client().send(request("unix")).await.unwrap();
    let with_id = line(&listening.worker, "with-id").await;
    assert!(with_id.contains(" - synapse.access.http.my-tag - "), "{with_id}");
    assert!(with_id.contains(" - INFO - GET-abc - 127.0.0.1 - my-tag - {None} "), "{with_id}");
    let without_id = line(&listening.worker, "without-id").await;
    let number = without_id.split(" - GET-").nth(1).unwrap().split(' ').next().unwrap();
    assert!(number.parse::<u64>().is_ok(), "{without_id}");
    let untagged = line(&listening.worker, "untagged").await;
    assert!(untagged.contains(" - synapse.access.http.0 - ") && !untagged.contains("GET-abc"), "{untagged}");
    assert!(line(&listening.worker, "unix").await.contains(" - synapse.access.http.unix - "));
}

#[tokio::test]
async fn the_listeners_of_the_main_process_are_left_to_it() {
    // The main process's `listeners` are not this worker's.
    let fixture = Fixture::with("listeners:\n  - {type: http, port: 1, bind_addresses: [127.0.0.1]}\n").await;
    assert_eq!(fixture.as_alice().get(VERSION).await.unwrap().status, 404);
}
