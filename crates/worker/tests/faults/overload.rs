//! More connections and requests than the worker takes, and bodies and restores beyond their budgets.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use key_backup_testkit::{
    TestDatabase, Worker,
    http::{Connection, Request},
};
use tokio::{sync::mpsc, time::timeout};

use crate::common::{
    SOON, VERSION, answered, begin_restore, binary, eventually, fill, keys, new_version, refused, upload,
};

#[tokio::test]
async fn connections_beyond_the_most_wait_to_be_accepted_until_others_go() {
    let database = TestDatabase::create().await.unwrap();
    let yaml = "key_backup_worker: {threads: 1, max_connections: 2}\n";
    let worker = Worker::configure(binary()).database(&database).yaml(yaml).start().await.unwrap();
    let health = Request::new("GET", "/health");
    let mut accepted = Vec::new();
    for _ in 0..2 {
        let mut connection = Connection::open(worker.address()).await.unwrap();
        assert_eq!(connection.request(&health).await.unwrap().status, 200);
        accepted.push(connection);
    }
    let mut waiting = Connection::open(worker.address()).await.unwrap();
    waiting.send(&health).await.unwrap();
    let answer = timeout(Duration::from_secs(1), waiting.read_head()).await;
    assert!(answer.is_err(), "it was accepted");
    for connection in &mut accepted {
        assert_eq!(connection.request(&health).await.unwrap().status, 200);
    }
    accepted.pop();
    let answer = timeout(SOON, waiting.read_response()).await.expect("it is accepted when there is room");
    assert_eq!(answer.unwrap().status, 200);
}

#[tokio::test]
async fn what_is_beyond_the_places_and_the_queue_is_refused_early() {
    let database = TestDatabase::create().await.unwrap();
    let alice = database.add_user("alice").await.unwrap();
    let yaml = "key_backup_worker: {threads: 1, max_requests_in_flight: 4, max_queue_time: 200}\n";
    let worker = Worker::configure(binary()).database(&database).yaml(yaml).metrics().start().await.unwrap();
    let client = worker.client().as_user(&alice.access_token);
    new_version(&client).await;
    let mut administrator = database.connect().await.unwrap();
    let lock = administrator.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE access_tokens IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let times = join_all((0..60).map(|_| async {
        let start = Instant::now();
        refused(client.get(VERSION)).await;
        start.elapsed()
    }))
    .await;
    // Four are worked on until their time for the database is over; all others hear at once, or after their wait.
    let early = times.iter().filter(|time| **time < Duration::from_secs(3)).count();
    assert!(early >= 56, "{times:?}");
    let refused = worker.metric("key_backup_refused_total", &["reason=\"requests\""]).await.unwrap();
    assert!(refused >= 56, "{refused}");
    lock.rollback().await.unwrap();
    eventually("service", async || client.get(VERSION).await.unwrap().status == 200).await;
}

#[tokio::test]
async fn an_upload_that_has_waited_in_the_queue_does_not_wait_there_again_for_its_body() {
    let database = TestDatabase::create().await.unwrap();
    let (alice, bob) = (database.add_user("alice").await.unwrap(), database.add_user("bob").await.unwrap());
    let yaml = "key_backup_worker: {threads: 1, max_requests_in_flight: 1, max_queue_time: 3000}\n";
    let worker = Worker::configure(binary()).database(&database).yaml(yaml).metrics().start().await.unwrap();
    for user in [&alice, &bob] {
        new_version(&worker.client().as_user(&user.access_token)).await;
    }
    let stranger = database.add_user("stranger").await.unwrap();
    let mut administrator = database.connect().await.unwrap();
    let lock = administrator.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE access_tokens IN ACCESS EXCLUSIVE MODE").await.unwrap();
    // The first one keeps the only place until the lock is gone, the others come into the queue one after another.
    let requests = [
        Request::new("GET", VERSION).bearer(&stranger.access_token),
        Request::new("PUT", &keys("1")).bearer(&alice.access_token).json(&upload(1)),
        Request::new("GET", VERSION).bearer(&bob.access_token),
    ];
    let (answers, mut order) = mpsc::unbounded_channel();
    for (number, request) in requests.into_iter().enumerate() {
        let mut connection = Connection::open(worker.address()).await.unwrap();
        connection.send(&request).await.unwrap();
        let in_flight =
            async || worker.metric("synapse_http_server_in_flight_requests_count", &[]).await.unwrap();
        eventually("the request", async || in_flight().await > i64::try_from(number).unwrap() + 1).await;
        let answers = answers.clone();
        tokio::spawn(async move {
            let answer = connection.read_response().await.unwrap();
            answers.send((number, answer.status)).unwrap();
        });
    }
    lock.rollback().await.unwrap();
    for expected in [(0, 404), (1, 200), (2, 200)] {
        assert_eq!(order.recv().await, Some(expected));
    }
}

#[tokio::test]
async fn an_upload_that_was_refused_does_not_come_back_after_a_deletion() {
    const PATH: &str = "/_matrix/client/v3/room_keys/keys?version=1";
    let database = TestDatabase::create().await.unwrap();
    let yaml = "key_backup_worker: {threads: 1, max_requests_in_flight: 200}\n";
    let worker = Worker::configure(binary()).database(&database).yaml(yaml).start().await.unwrap();
    let mut clients = Vec::new();
    for number in 0..80 {
        let user = database.add_user(&format!("user{number}")).await.unwrap();
        clients.push(worker.client().as_user(&user.access_token));
        new_version(&clients[number]).await;
    }
    let administrator = database.connect().await.unwrap();
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END';
        CREATE TRIGGER slow AFTER INSERT ON e2e_room_keys FOR EACH STATEMENT EXECUTE FUNCTION slow()";
    administrator.batch_execute(slow).await.unwrap();
    let body = upload(60);
    let statuses = join_all(clients.iter().map(|client| answered(client.put(PATH, &body)))).await;
    let with = |wanted: u16| -> Vec<_> {
        clients.iter().zip(&statuses).filter(|(_, status)| **status == wanted).map(|both| both.0).collect()
    };
    let (stored, refused) = (with(200), with(503));
    assert!(!stored.is_empty() && !refused.is_empty(), "{statuses:?}");
    for client in &refused {
        assert_eq!(client.delete(PATH).await.unwrap().status, 200);
    }
    administrator.batch_execute("DROP TRIGGER slow ON e2e_room_keys").await.unwrap();
    // Whatever may still be in a queue was there before these.
    join_all(stored.iter().map(|client| client.put(PATH, &body))).await;
    for client in &refused {
        let count = &client.get(VERSION).await.unwrap().json().unwrap()["count"];
        assert_eq!(count, 0);
    }
}

/// A request for an upload of that many bytes of white space, of which the head and all but the last byte are sent.
async fn begin_upload(worker: &Worker, token: &str, bytes: usize) -> anyhow::Result<Connection> {
    let mut connection = Connection::open(worker.address()).await?;
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: {bytes}\r\n\r\n",
        keys("1")
    );
    connection.send_bytes(head.as_bytes()).await?;
    connection.send_bytes(&vec![b' '; bytes - 1]).await?;
    Ok(connection)
}

#[tokio::test]
async fn bodies_have_a_budget_together_and_large_ones_a_number_for_each_user() {
    let database = TestDatabase::create().await.unwrap();
    let (alice, bob) = (database.add_user("alice").await.unwrap(), database.add_user("bob").await.unwrap());
    let yaml = "enable_media_repo: false
key_backup_worker: {max_body_memory: 13107200, max_large_uploads_per_user: 1, slow_client_timeout: 1m}
";
    let worker = Worker::configure(binary()).database(&database).yaml(yaml).metrics().start().await.unwrap();
    let mut first = begin_upload(&worker, &alice.access_token, 12_000_000).await.unwrap();
    let refusals = async |reason: &str| {
        worker.metric("key_backup_refused_total", &[&format!("reason=\"{reason}\"")]).await.unwrap()
    };
    // What a client that is refused has still to send may be cut off with the connection.
    eventually("a refusal of a second large body", async || {
        let _ = begin_upload(&worker, &alice.access_token, 2_000_000).await;
        refusals("user_uploads").await > 0
    })
    .await;
    eventually("a refusal for want of memory", async || {
        let _ = begin_upload(&worker, &bob.access_token, 2_000_000).await;
        refusals("body_memory").await > 0
    })
    .await;
    let small = worker.client().as_user(&bob.access_token).get(VERSION).await.unwrap();
    assert_eq!(small.status, 404);
    first.send_bytes(b"x").await.unwrap();
    assert_eq!(first.read_response().await.unwrap().status, 400);
}

#[tokio::test]
async fn a_user_runs_only_so_many_restores_at_once() {
    let database = TestDatabase::create().await.unwrap();
    let (alice, bob) = (database.add_user("alice").await.unwrap(), database.add_user("bob").await.unwrap());
    let yaml = "key_backup_worker: {max_restores_per_user: 1, max_queue_time: 200}\n";
    let worker = Worker::configure(binary()).database(&database).yaml(yaml).start().await.unwrap();
    for user in [&alice, &bob] {
        new_version(&worker.client().as_user(&user.access_token)).await;
        fill(&database, user, 40_000).await;
    }
    let running = begin_restore(&worker, &alice).await;
    let client = worker.client().as_user(&alice.access_token);
    let second = client.get(&keys("1")).await.unwrap();
    assert_eq!(second.status, 429, "{}", second.text());
    assert_eq!(second.json().unwrap()["errcode"], "M_LIMIT_EXCEEDED");
    assert_eq!(second.header("Retry-After"), Some("1"));
    assert_eq!(client.get(VERSION).await.unwrap().status, 200);
    let _other = begin_restore(&worker, &bob).await;
    drop(running);
    eventually("the next restore", async || client.get(&keys("1")).await.unwrap().status == 200).await;
}

#[tokio::test]
async fn all_users_together_run_only_so_many_restores_at_once() {
    let database = TestDatabase::create().await.unwrap();
    let (alice, bob) = (database.add_user("alice").await.unwrap(), database.add_user("bob").await.unwrap());
    let yaml = "key_backup_worker: {max_restores: 1, max_queue_time: 200}\n";
    let worker = Worker::configure(binary()).database(&database).yaml(yaml).metrics().start().await.unwrap();
    for user in [&alice, &bob] {
        new_version(&worker.client().as_user(&user.access_token)).await;
        fill(&database, user, 40_000).await;
    }
    let running = begin_restore(&worker, &alice).await;
    let client = worker.client().as_user(&bob.access_token);
    refused(client.get(&keys("1"))).await;
    assert_eq!(worker.metric("key_backup_refused_total", &["reason=\"restores\""]).await.unwrap(), 1);
    assert_eq!(client.get(VERSION).await.unwrap().status, 200);
    drop(running);
    eventually("the next restore", async || client.get(&keys("1")).await.unwrap().status == 200).await;
}
