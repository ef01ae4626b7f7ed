//! `deploy/postgresql/grants.sql` grants what the worker needs, and no more. What `docs/security.md` grants in Redis is enough, too.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use key_backup_testkit::{Account, TestDatabase, Worker, http::Client, services::Redis, temporary_folder};
use serde_json::{Value, json};

use crate::support::{BINARY, Role, Setup};

const ROOM_KEYS: &str = "/_matrix/client/v3/room_keys";

/// All that doctor needs beside the database.
pub(crate) const GENERAL: &str = "
server_name: example.com
report_stats: no
worker_name: key_backup1
worker_listeners: [{type: http, path: kb.sock, resources: [{names: [client]}]}]
";

/// Every operation of the key backup, each of which has to succeed.
pub(crate) async fn all_operations(worker: &Client, account: &Account) {
    let client = worker.as_user(&account.access_token);
    let key =
        json!({ "first_message_index": 1, "forwarded_count": 0, "is_verified": true, "session_data": {} });
    let room = json!({ "sessions": { "session": key } });
    let mut version = json!({ "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": {} });
    let answer = client.post(&format!("{ROOM_KEYS}/version"), &version).await.unwrap();
    assert_eq!(answer.status, 200);
    let number = answer.json().unwrap()["version"].as_str().unwrap().to_owned();
    version["version"] = Value::from(number.clone());
    let path = |rest: &str| format!("{ROOM_KEYS}/{rest}?version={number}");
    let (all, one_room, one_key) = (path("keys"), path("keys/%21r"), path("keys/%21r/session"));
    let one_version = format!("{ROOM_KEYS}/version/{number}");
    let puts = [
        (&all, json!({ "rooms": { "!r": room } })),
        (&one_room, room.clone()),
        // Better than the one before it, so that a row is replaced.
        (
            &one_key,
            json!({ "first_message_index": 0, "forwarded_count": 0, "is_verified": true, "session_data": {} }),
        ),
        (&one_version, version),
    ];
    for (path, body) in puts {
        assert_eq!(client.put(path, &body).await.unwrap().status, 200, "PUT {path}");
    }
    let latest = format!("{ROOM_KEYS}/version");
    for path in [&all, &one_room, &one_key, &latest, &one_version] {
        assert_eq!(client.get(path).await.unwrap().status, 200, "GET {path}");
    }
    for path in [&one_key, &one_room, &all, &one_version] {
        assert_eq!(client.delete(path).await.unwrap().status, 200, "DELETE {path}");
    }
}

#[tokio::test]
async fn with_these_grants_every_operation_works_and_doctor_has_nothing_to_say() {
    let database = TestDatabase::create().await.unwrap();
    let alice = database.add_user("alice").await.unwrap();
    let role = Role::create(database.server(), database.name()).await;
    let yaml = role.database_yaml(&database.database_yaml());
    let worker = Worker::configure(BINARY).yaml("server_name: example.com\nreport_stats: no\n").yaml(&yaml);
    let worker = worker.start().await.unwrap();
    all_operations(&worker.client(), &alice).await;
    let used: bool = database
        .connect()
        .await
        .unwrap()
        .query_one("SELECT used FROM access_tokens WHERE token = $1", &[&alice.access_token])
        .await
        .unwrap()
        .get(0);
    assert!(used);
    assert!(!worker.log().contains("permission denied"), "{}", worker.log());
    worker.stop().await.unwrap();
    let diagnosis = Setup::new(GENERAL).with(&yaml).doctor().await;
    diagnosis.expect("database.privileges", "ok", "has the rights that it needs, and no more");
    role.drop().await;
}

#[tokio::test]
async fn the_grants_can_be_run_again_and_take_back_what_is_too_much() {
    let database = TestDatabase::create().await.unwrap();
    let role = Role::create(database.server(), database.name()).await;
    role.change("GRANT SELECT, DELETE ON users TO ROLE").await;
    let setup = Setup::new(GENERAL).with(&role.database_yaml(&database.database_yaml()));
    let before = setup.doctor().await;
    before.expect("database.privileges", "warning", "DELETE, SELECT (");
    before.expect("database.privileges", "warning", "password_hash");
    assert_eq!(before.ended.code, Some(0));
    let role = Role::create(database.server(), database.name()).await;
    setup.doctor().await.expect("database.privileges", "ok", "and no more");
    role.drop().await;
}

#[tokio::test]
async fn a_right_that_is_missing_is_named() {
    let database = TestDatabase::create().await.unwrap();
    let role = Role::create(database.server(), database.name()).await;
    let setup = Setup::new(GENERAL).with(&role.database_yaml(&database.database_yaml()));
    for (revoked, named) in [
        ("DELETE ON e2e_room_keys", "lacks DELETE on e2e_room_keys"),
        ("UPDATE (used) ON access_tokens", "lacks UPDATE on access_tokens"),
        ("SELECT (locked) ON users", "lacks SELECT (locked) on users"),
        (
            "INSERT (auth_data) ON e2e_room_keys_versions",
            "lacks INSERT (auth_data) on e2e_room_keys_versions",
        ),
    ] {
        role.change(&format!("REVOKE {revoked} FROM ROLE")).await;
        let diagnosis = setup.doctor().await;
        diagnosis.expect("database.privileges", "problem", named);
        assert_eq!(diagnosis.ended.code, Some(1));
        role.change(&format!("GRANT {revoked} TO ROLE")).await;
    }
    role.drop().await;
}

#[tokio::test]
async fn rights_of_everybody_count_as_well() {
    let database = TestDatabase::create().await.unwrap();
    let role = Role::create(database.server(), database.name()).await;
    role.change("GRANT TRUNCATE ON refresh_tokens TO PUBLIC").await;
    let diagnosis = Setup::new(GENERAL).with(&role.database_yaml(&database.database_yaml())).doctor().await;
    diagnosis.expect("database.privileges", "warning", "more than it needs: TRUNCATE on refresh_tokens");
    role.drop().await;
}

#[tokio::test]
async fn synapses_own_role_is_more_than_the_worker_needs() {
    let database = TestDatabase::create().await.unwrap();
    let diagnosis = Setup::new(GENERAL).with(&database.database_yaml()).doctor().await;
    diagnosis.expect("database.privileges", "warning", "is a superuser or owns Synapse's tables");
}

/// Waits until something is so; it fails after 20 s, with the worker's log.
async fn eventually(worker: &Worker, mut is_so: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < Duration::from_secs(20), "{}", worker.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Sends a line to Redis and says what it answers.
fn ask_redis(port: u16, line: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(format!("{line}\r\nQUIT\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn the_redis_user_of_the_documentation_may_do_what_the_worker_does() {
    let documentation = include_str!("../../../../docs/security.md");
    let line = documentation.lines().find(|line| line.starts_with("ACL SETUSER")).unwrap();
    let (folder, database) = (temporary_folder().unwrap(), TestDatabase::create().await.unwrap());
    let redis = Redis::start(folder.path()).await.unwrap();
    let port = redis.address().port;
    assert!(ask_redis(port, &line.replace("PASSWORD", "s3cret")).starts_with("+OK"));
    let yaml = redis.address().redis_yaml() + "  username: key_backup\n  password: s3cret\n";
    let diagnosis = Setup::new(GENERAL).with(&database.database_yaml()).with(&yaml).doctor().await;
    diagnosis.expect("redis.connection", "ok", "connected");
    diagnosis.expect("redis.commands", "ok", "counts of keys can be shared");
    diagnosis.expect("redis.replication", "problem", "no process of Synapse answers");
    let alice = database.add_user("alice").await.unwrap();
    let worker = Worker::configure(BINARY).database(&database).yaml(&yaml).start().await.unwrap();
    eventually(&worker, async || worker.log().contains("hearing Synapse on the channel example.com")).await;
    // Where Redis does not answer in a moment, or is not connected yet, counts are not shared with it, and no request fails for that.
    eventually(&worker, async || {
        all_operations(&worker.client(), &alice).await;
        ask_redis(port, "EXISTS key_backup:example.com:generation").starts_with(":1")
    })
    .await;
}
