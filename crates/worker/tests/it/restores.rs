//! Restores that don't fit one page: streamed, in constant memory, never cut short unnoticed.

use std::fs;

use key_backup_testkit::{
    TestDatabase, Worker,
    http::{Client, Connection, Request},
};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use crate::common::{Fixture, SOON, VERSION, binary, eventually, key, keys, new_version, ok, room_keys};

/// More than the sockets, the worker and its pages in between can hold: 100 MB in 20 pages.
const HUGE: (i32, i32) = (40_000, 2_500);

/// Writes keys by SQL: `count` of them in 100 rooms, each with so many bytes of `session_data`.
async fn fill(database: &TestDatabase, user: &str, keys: (i32, i32)) {
    fill_from(database, user, 1, keys).await;
}

/// The same, with the numbers from `first` on.
async fn fill_from(database: &TestDatabase, user: &str, first: i32, (count, bytes): (i32, i32)) {
    let sql = r#"
        INSERT INTO e2e_room_keys
            (user_id, version, room_id, session_id, first_message_index, forwarded_count, is_verified, session_data)
        SELECT $1, 1, '!room' || n % 100, 'session' || n, n, 0, false, '{"mac":"' || repeat('x', $3) || '"}'
          FROM generate_series($4::int, $4::int + $2::int - 1) n"#;
    database.connect().await.unwrap().execute(sql, &[&user, &count, &bytes, &first]).await.unwrap();
}

/// A worker and a version that holds these keys.
async fn filled(keys: (i32, i32)) -> Fixture {
    let fixture = Fixture::start().await;
    fixture.new_version().await;
    fill(&fixture.database, &fixture.alice.user_id, keys).await;
    fixture
}

/// A restore whose client has read only the head of the answer.
async fn begin_restore(fixture: &Fixture, request: Request) -> Connection {
    let mut connection = Connection::open(fixture.worker.address()).await.unwrap();
    connection.send(&request.bearer(&fixture.alice.access_token)).await.unwrap();
    assert_eq!(connection.read_head().await.unwrap().status, 200);
    connection
}

/// What is left of the body, and whether it ended as it should.
async fn read_rest(connection: &mut Connection) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        match connection.read_part().await {
            Ok(Some(part)) => body.extend(part),
            Ok(None) => return (body, true),
            Err(_) => return (body, false),
        }
    }
}

/// Ten thousand keys: rooms of more than two pages, of exactly one page, and small ones.
fn ten_thousand_keys() -> Map<String, Value> {
    let mut rooms = Map::new();
    let small = (0..30).map(|room| (format!("!small{room}"), 100));
    for (room, count) in [("!big".to_owned(), 5_000), ("!page".to_owned(), 2_000)].into_iter().chain(small) {
        let sessions: Map<String, Value> = (0..count)
            .map(|session| (format!("{session}/+\"é"), key(session, 0, session % 3 == 0)))
            .collect();
        rooms.insert(room, json!({ "sessions": sessions }));
    }
    rooms
}

async fn upload(client: &Client, rooms: &Map<String, Value>) {
    for (room, content) in rooms {
        assert_eq!(client.put(&room_keys("1", room), content).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn ten_thousand_keys_come_back_as_they_were_uploaded_at_once_where_they_are_known_to_be_few() {
    let fixture = Fixture::start().await;
    fixture.new_version().await;
    let client = fixture.as_alice();
    let rooms = ten_thousand_keys();
    upload(&client, &rooms).await;
    // It does not know how many they are, and holds nothing in memory.
    let newcomer = Worker::configure(binary()).database(&fixture.database).start().await.unwrap();
    for (worker, at_once) in [(&fixture.worker, true), (&newcomer, false)] {
        let client = worker.client().as_user(&fixture.alice.access_token);
        let response = client.get(&keys("1")).await.unwrap();
        assert_eq!(response.header("Content-Length").is_some(), at_once);
        assert_eq!(response.header("Transfer-Encoding"), (!at_once).then_some("chunked"));
        assert_eq!(response.header("Content-Type"), Some("application/json"));
        assert!(ok(&response)["rooms"].as_object() == Some(&rooms));
        for room in ["!big", "!page", "!small7"] {
            let response = client.get(&room_keys("1", room)).await.unwrap();
            assert!(ok(&response) == rooms[room], "{room}");
        }
        assert_eq!(ok(&client.get(VERSION).await.unwrap())["count"], 10_000);
    }
}

#[tokio::test]
async fn restores_that_find_no_memory_left_stream_and_those_after_find_it_again() {
    let fixture = filled((10_000, 735)).await;
    assert_eq!(ok(&fixture.as_alice().get(VERSION).await.unwrap())["count"], 10_000);
    let mut restores = Vec::new();
    // Each takes 10 MB of 64, and keeps it while its client does not read.
    for number in 0..8 {
        let request = Request::new("GET", &keys("1")).bearer(&fixture.alice.access_token);
        let mut connection = Connection::open(fixture.worker.address()).await.unwrap();
        connection.send(&request).await.unwrap();
        let head = connection.read_head().await.unwrap();
        assert_eq!(head.header("Content-Length").is_some(), number < 6, "restore {number}");
        restores.push(connection);
    }
    drop(restores);
    eventually("memory for a restore", async || {
        let response = fixture.as_alice().get(&keys("1")).await.unwrap();
        response.header("Content-Length").is_some()
    })
    .await;
}

/// Whether a restore of all keys came in one piece, with its length.
async fn comes_at_once(fixture: &Fixture, keys_in_it: i32) -> bool {
    let response = fixture.as_alice().get(&keys("1")).await.unwrap();
    let rooms = ok(&response);
    let rooms = rooms["rooms"].as_object().unwrap();
    let sessions = rooms.values().map(|room| room["sessions"].as_object().unwrap().len());
    assert_eq!(sessions.sum::<usize>(), usize::try_from(keys_in_it).unwrap());
    response.header("Content-Length").is_some()
}

#[tokio::test]
async fn a_backup_that_has_grown_since_its_keys_were_counted_streams() {
    let fixture = Fixture::start().await;
    fixture.new_version().await;
    assert_eq!(ok(&fixture.as_alice().get(VERSION).await.unwrap())["count"], 0);
    // Another instance may have written them.
    fill(&fixture.database, &fixture.alice.user_id, (9_000, 735)).await;
    assert!(comes_at_once(&fixture, 9_000).await, "it fits, whatever was known");
    fill_from(&fixture.database, &fixture.alice.user_id, 9_001, (21_000, 735)).await;
    assert!(!comes_at_once(&fixture, 30_000).await);
}

#[tokio::test]
async fn keys_that_take_more_memory_than_was_thought_stream() {
    for (count, bytes, at_once) in [(4_000, 2_000, true), (10_000, 2_000, false), (4_000, 2_100, false)] {
        let fixture = filled((count, bytes)).await;
        assert_eq!(ok(&fixture.as_alice().get(VERSION).await.unwrap())["count"], count);
        assert_eq!(comes_at_once(&fixture, count).await, at_once, "{count} keys of {bytes} bytes");
    }
}

#[tokio::test]
async fn http_1_0_gets_a_large_restore_without_chunks_up_to_the_close() {
    let fixture = filled((10_000, 100)).await;
    let request = Request::new("GET", &keys("1")).http10().bearer(&fixture.alice.access_token);
    let mut connection = Connection::open(fixture.worker.address()).await.unwrap();
    connection.send(&request).await.unwrap();
    let head = connection.read_head().await.unwrap();
    assert_eq!(
        (head.status, head.header("Transfer-Encoding"), head.header("Content-Length")),
        (200, None, None)
    );
    let (body, _) = read_rest(&mut connection).await;
    let restored: Value = serde_json::from_slice(&body).unwrap();
    let whole = ok(&fixture.as_alice().get(&keys("1")).await.unwrap());
    assert!(restored == whole);
}

#[tokio::test]
async fn head_of_a_large_restore_has_no_body_and_keeps_the_connection() {
    let fixture = filled((10_000, 100)).await;
    let token = &fixture.alice.access_token;
    let mut connection = Connection::open(fixture.worker.address()).await.unwrap();
    let head = connection.request(&Request::new("HEAD", &keys("1")).bearer(token)).await.unwrap();
    assert_eq!((head.status, head.body.len()), (200, 0));
    let next = connection.request(&Request::new("GET", VERSION).bearer(token)).await.unwrap();
    assert_eq!(ok(&next)["count"], 10_000);
}

#[tokio::test]
async fn a_restore_takes_memory_for_a_few_pages_whatever_its_size() {
    let fixture = filled((100_000, 735)).await;
    let before = peak_memory(&fixture.worker);
    let mut connection = begin_restore(&fixture, Request::new("GET", &keys("1"))).await;
    let (mut bytes, mut open) = (0, 0);
    while let Some(part) = connection.read_part().await.unwrap() {
        bytes += part.len();
        open += part.split(|byte| *byte == b'{').count() - 1;
    }
    // The body itself, `rooms`, two for each room, two for each key.
    assert_eq!(open, 2 + 2 * 100 + 2 * 100_000);
    assert!(bytes > 80_000_000, "{bytes}");
    let grown = peak_memory(&fixture.worker) - before;
    assert!(grown < 32 * 1024, "{grown} kB more for {bytes} bytes");
}

/// The most memory that the process has ever had, in kB.
fn peak_memory(worker: &Worker) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", worker.process().pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_restore_whose_version_is_deleted_midway_ends_as_a_truncated_body() {
    let fixture = filled(HUGE).await;
    let mut chunked = begin_restore(&fixture, Request::new("GET", &keys("1"))).await;
    let mut until_close = begin_restore(&fixture, Request::new("GET", &keys("1")).http10()).await;
    let deleted = fixture.as_alice().delete(&format!("{VERSION}/1")).await.unwrap();
    assert_eq!(deleted.status, 200);
    let (body, ended_properly) = read_rest(&mut chunked).await;
    assert!(!body.is_empty() && !ended_properly);
    // Where the close is the only end that there is, the JSON shows it.
    let (body, _) = read_rest(&mut until_close).await;
    assert!(!body.is_empty() && serde_json::from_slice::<Value>(&body).is_err());
    assert_eq!(fixture.as_alice().get(&keys("1")).await.unwrap().status, 404);
}

/// Whether the worker has not used any of its connections for a while.
async fn reads_nothing(database: &TestDatabase) -> bool {
    let sql = "SELECT bool_and(state = 'idle' AND state_change < clock_timestamp() - interval '200 ms')
                 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    database.connect().await.unwrap().query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_slow_client_holds_no_connection_to_the_database() {
    let database = TestDatabase::create().await.unwrap();
    let one_connection = database.database_yaml().replace("cp_max: 10", "cp_max: 1");
    assert_ne!(one_connection, database.database_yaml());
    let worker = Worker::configure(binary()).database(&database).yaml(&one_connection).start().await.unwrap();
    let alice = database.add_user("alice").await.unwrap();
    let fixture = Fixture { worker, database, alice };
    new_version(&fixture.as_alice()).await;
    fill(&fixture.database, &fixture.alice.user_id, HUGE).await;
    let mut slow = begin_restore(&fixture, Request::new("GET", &keys("1"))).await;
    eventually("the end of reading ahead", async || reads_nothing(&fixture.database).await).await;
    let other = timeout(SOON, fixture.as_alice().get(VERSION)).await.unwrap().unwrap();
    assert_eq!(ok(&other)["count"], HUGE.0);
    let (body, ended_properly) = read_rest(&mut slow).await;
    assert!(ended_properly);
    assert!(body.len() > 100_000_000 && body.ends_with(b"}}}}"));
}

#[tokio::test]
async fn a_client_that_leaves_midway_does_no_harm() {
    let fixture = filled(HUGE).await;
    for _ in 0..5 {
        drop(begin_restore(&fixture, Request::new("GET", &keys("1"))).await);
    }
    assert_eq!(ok(&fixture.as_alice().get(VERSION).await.unwrap())["count"], HUGE.0);
    eventually("the note that the client left", async || fixture.worker.log().contains("B 200! \"GET "))
        .await;
}
