//! Clients that hardly send or take anything: each is ended, and nobody else notices.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use key_backup_testkit::{Account, TestDatabase, Worker, http::Client};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
};

use crate::common::{PROMPTLY, VERSION, binary, eventually, fill, keys, new_version, tcp};

/// How many of each kind.
const MANY: usize = 500;

/// How many users they are.
const USERS: usize = 20;

/// A connection whose kernel keeps little for us, so that what we don't read is soon felt at the other end.
async fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    socket.connect(address).await.unwrap()
}

fn restore_of(user: &Account) -> String {
    format!(
        "GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
        keys("1"),
        user.access_token
    )
}

/// Opens, says nothing, and waits for the end.
async fn say_nothing(address: SocketAddr) {
    let mut stream = connect(address).await;
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

/// Sends a byte of a body each second, until the server has enough.
async fn send_slowly(address: SocketAddr, user: Account) {
    let mut stream = connect(address).await;
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: 100000\r\n\r\n",
        keys("1"),
        user.access_token
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let mut answer = Vec::new();
    let mut end = Box::pin(reader.read_to_end(&mut answer));
    while tokio::time::timeout(Duration::from_secs(1), &mut end).await.is_err() {
        let _ = writer.write_all(b" ").await;
    }
}

/// Asks for a restore and reads it at that many bytes a second, for that long or until the server has enough. Returns whether it still goes on.
async fn read_slowly(address: SocketAddr, user: &Account, rate: usize, time: Duration) -> bool {
    let mut stream = connect(address).await;
    stream.write_all(restore_of(user).as_bytes()).await.unwrap();
    let start = Instant::now();
    let mut piece = vec![0; rate / 10];
    while start.elapsed() < time {
        let next = tokio::time::Instant::now() + Duration::from_millis(100);
        if stream.read_exact(&mut piece).await.is_err() {
            return false;
        }
        tokio::time::sleep_until(next).await;
    }
    true
}

/// Asks for something small again and again, until nobody is slow any more. Where a machine is too busy for all of it, what is refused is
/// refused in good order, and it is little.
async fn assert_served(client: &Client, slow: &mut JoinSet<()>) {
    let (mut served, mut asked) = (0, 0);
    while !slow.is_empty() {
        let start = Instant::now();
        let answer = client.get(VERSION).await.unwrap();
        assert!(start.elapsed() < PROMPTLY, "{:?}", start.elapsed());
        assert!(answer.status == 200 || answer.header("Retry-After").is_some(), "{}", answer.text());
        asked += 1;
        served += u32::from(answer.status == 200);
        while slow.try_join_next().is_some() {}
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(served * 10 >= asked * 9, "{served} of {asked}");
}

/// The memory that a process has, in MB.
fn resident(worker: &Worker) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", worker.process().pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

async fn users(database: &TestDatabase) -> Vec<Account> {
    let mut users = Vec::new();
    for number in 0..USERS {
        users.push(database.add_user(&format!("user{number}")).await.unwrap());
    }
    users
}

#[tokio::test]
async fn fifteen_hundred_slow_clients_are_ended_an_honest_slow_line_is_not_and_others_are_served() {
    let database = TestDatabase::create().await.unwrap();
    let yaml = "key_backup_worker: {slow_client_timeout: 6s}\n";
    let worker = Worker::configure(binary()).database(&database).yaml(yaml).metrics().start().await.unwrap();
    let (users, bob) = (users(&database).await, database.add_user("bob").await.unwrap());
    for user in users.iter().chain([&bob]) {
        new_version(&worker.client().as_user(&user.access_token)).await;
        fill(&database, user, 5_000).await;
    }
    let address = tcp(&worker);
    let honest = tokio::spawn({
        let bob = bob.clone();
        async move { read_slowly(address, &bob, 20_000, Duration::from_secs(13)).await }
    });
    let mut slow = JoinSet::new();
    for number in 0..MANY {
        let user = &users[number % USERS];
        slow.spawn(say_nothing(address));
        slow.spawn(send_slowly(address, user.clone()));
        let user = user.clone();
        // What was sent before the end is still read at that pace: nobody waits for it.
        slow.spawn(async move {
            let _ = read_slowly(address, &user, 1000, Duration::from_secs(20)).await;
        });
        // Slow clients, not a crowd at one moment.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_served(&worker.client().as_user(&bob.access_token), &mut slow).await;
    assert!(resident(&worker) < 1024, "{} MB", resident(&worker));
    assert!(honest.await.unwrap(), "a line of 20 KB/s was cut");
    for reason in ["slow_head", "slow_body", "slow_answer"] {
        let ended = worker.metric("key_backup_refused_total", &[&format!("reason=\"{reason}\"")]).await;
        assert!(ended.unwrap() > 0, "{reason}");
    }
    eventually("the end of all connections but our own", async || {
        worker.metric("key_backup_connections", &[]).await.unwrap() <= 1
    })
    .await;
}

#[tokio::test]
async fn a_head_that_comes_too_slowly_is_ended_also_after_a_first_request() {
    let database = TestDatabase::create().await.unwrap();
    let yaml = "key_backup_worker: {slow_client_timeout: 1s}\n";
    let worker = Worker::configure(binary()).database(&database).yaml(yaml).start().await.unwrap();
    let mut stream = connect(tcp(&worker)).await;
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 1024];
    assert!(stream.read(&mut answer).await.unwrap() > 0);
    // An idle connection has as much time as it likes, one in the middle of a head has not.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    stream.write_all(b"GET /health HT").await.unwrap();
    let end = tokio::time::timeout(PROMPTLY, stream.read_to_end(&mut answer)).await;
    end.expect("the connection is ended").ok();
}
