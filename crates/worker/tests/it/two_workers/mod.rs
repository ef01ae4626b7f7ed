//! Two workers on one database: their clients cannot tell that there are two, nor can Synapse.

mod history;
mod synapse;

use std::time::Instant;

use key_backup_testkit::{TestDatabase, Worker, http::Client};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::common::{VERSION, binary, new_version, ok};
use history::{
    Answered, Change, Dice, assert_numbered_without_gaps, replayed, stored, stored_etag, version_numbers,
};

/// Two workers on one database.
struct Pair {
    workers: [Worker; 2],
    database: TestDatabase,
}

impl Pair {
    async fn start() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let start = || Worker::configure(binary()).database(&database).start();
        let (first, second) = tokio::try_join!(start(), start()).unwrap();
        Self { workers: [first, second], database }
    }

    /// A user with that many devices, which are spread over the workers.
    async fn user(&self, name: &str, devices: usize) -> (String, Vec<Client>) {
        let mut accounts = vec![self.database.add_user(name).await.unwrap()];
        while accounts.len() < devices {
            accounts.push(self.database.add_device(&accounts[0].user_id).await.unwrap());
        }
        let client = |(number, token): (usize, &str)| self.workers[number % 2].client().as_user(token);
        let tokens = accounts.iter().map(|account| account.access_token.as_str());
        (accounts[0].user_id.clone(), tokens.enumerate().map(client).collect())
    }

    /// Checks that a version is what the changes made of it, in the database and to a client.
    async fn assert_explained(&self, user: &str, client: &Client, version: &str, answers: &[Answered]) {
        let of_version: Vec<&Answered> =
            answers.iter().filter(|answered| answered.version == version && answered.status == 200).collect();
        let (etag, keys) = replayed(&of_version);
        assert_eq!(stored(&self.database, user, version).await, keys);
        assert_eq!(stored_etag(&self.database, user, version).await, etag);
        let told = ok(&client.get(&format!("{VERSION}/{version}")).await.unwrap());
        assert_eq!(
            (&told["etag"], &told["count"]),
            (&Value::from(etag.to_string()), &Value::from(keys.len()))
        );
    }
}

/// One device's changes, one after another, to the version that is the newest when each is made.
async fn changes(client: Client, seed: u64, count: usize) -> Vec<Answered> {
    let mut dice = Dice::new(seed, 12);
    let mut answers = Vec::new();
    for _ in 0..count {
        let current = ok(&client.get(VERSION).await.unwrap());
        let version = current["version"].as_str().unwrap();
        answers.push(Answered::to(&client, version, dice.change()).await);
    }
    answers
}

#[tokio::test]
async fn simultaneous_uploads_and_deletions_of_several_users_form_one_history_each() {
    let pair = Pair::start().await;
    let mut tasks = JoinSet::new();
    let mut users = Vec::new();
    for (number, name) in (0..).zip(["alice", "bob", "carol"]) {
        let (user, clients) = pair.user(name, 4).await;
        new_version(&clients[0]).await;
        for (device, client) in (0..).zip(clients.clone()) {
            tasks.spawn(async move { (number, changes(client, 100 * number + device, 25).await) });
        }
        users.push((user, clients, Vec::new()));
    }
    while let Some(ended) = tasks.join_next().await {
        let (number, answers) = ended.unwrap();
        users[usize::try_from(number).unwrap()].2.extend(answers);
    }
    for (user, clients, answers) in users {
        assert!(answers.iter().all(|answered| answered.status == 200));
        pair.assert_explained(&user, &clients[0], "1", &answers).await;
    }
}

/// New versions, one after another: the number of each, and when it was asked for and answered.
async fn versions(client: Client, count: usize) -> Vec<(i64, Instant, Instant)> {
    let mut made = Vec::new();
    for _ in 0..count {
        let began = Instant::now();
        let number = new_version(&client).await.parse().unwrap();
        made.push((number, began, Instant::now()));
        // A number of uploads go into each.
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
    made
}

#[tokio::test]
async fn uploads_go_into_the_version_that_is_current_when_they_happen() {
    let pair = Pair::start().await;
    let (user, clients) = pair.user("alice", 6).await;
    new_version(&clients[0]).await;
    let makers: Vec<_> =
        clients[..2].iter().map(|client| tokio::spawn(versions(client.clone(), 12))).collect();
    let devices: Vec<_> = (200..)
        .zip(&clients[2..])
        .map(|(seed, client)| tokio::spawn(changes(client.clone(), seed, 40)))
        .collect();
    let (mut made, mut answers) = (Vec::new(), Vec::new());
    for maker in makers {
        made.extend(maker.await.unwrap());
    }
    for device in devices {
        answers.extend(device.await.unwrap());
    }
    let mut numbers: Vec<i64> = made.iter().map(|made| made.0).collect();
    numbers.push(1);
    assert_numbered_without_gaps(&numbers);
    assert_eq!(version_numbers(&pair.database, &user).await.len(), numbers.len());
    for answered in &answers {
        assert_in_time(answered, &made);
    }
    for number in numbers {
        pair.assert_explained(&user, &clients[0], &number.to_string(), &answers).await;
    }
}

/// Checks an upload against the clock: taken only if no later version was there before it began, refused only if one was there
/// before its end.
fn assert_in_time(answered: &Answered, made: &[(i64, Instant, Instant)]) {
    let version: i64 = answered.version.parse().unwrap();
    let mut later = made.iter().filter(|made| made.0 > version);
    match (&answered.change, answered.status) {
        (Change::Upload(_), 200) => {
            assert!(later.all(|made| made.2 > answered.began), "too late: {answered:?}");
        }
        (Change::Upload(_), 403) => {
            assert!(later.any(|made| made.1 < answered.ended), "too early: {answered:?}");
        }
        (_, status) => assert_eq!(status, 200, "{answered:?}"),
    }
}

/// Makes a version and deletes it again, over and over.
async fn make_and_delete(client: Client, count: usize) -> Vec<i64> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        let number = new_version(&client).await;
        ok(&client.delete(&format!("{VERSION}/{number}")).await.unwrap());
        numbers.push(number.parse().unwrap());
    }
    numbers
}

#[tokio::test]
async fn a_deleted_version_keeps_no_keys_and_the_one_before_goes_on() {
    let pair = Pair::start().await;
    let (user, clients) = pair.user("alice", 6).await;
    new_version(&clients[0]).await;
    let makers: Vec<_> =
        clients[..2].iter().map(|client| tokio::spawn(make_and_delete(client.clone(), 25))).collect();
    let devices: Vec<_> = (300..)
        .zip(&clients[2..])
        .map(|(seed, client)| tokio::spawn(changes(client.clone(), seed, 40)))
        .collect();
    let (mut numbers, mut answers) = (vec![1], Vec::new());
    for maker in makers {
        numbers.extend(maker.await.unwrap());
    }
    for device in devices {
        answers.extend(device.await.unwrap());
    }
    assert_numbered_without_gaps(&numbers);
    assert_eq!(version_numbers(&pair.database, &user).await.len(), numbers.len());
    assert!(answers.iter().all(|answered| [200, 403, 404].contains(&answered.status)));
    assert!(answers.iter().any(|answered| answered.version != "1" && answered.status == 200), "nothing met");
    pair.assert_explained(&user, &clients[0], "1", &answers).await;
    let left = stored(&pair.database, &user, "1").await.len();
    let sql = "SELECT count(*) FROM e2e_room_keys";
    let all: i64 = pair.database.connect().await.unwrap().query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(usize::try_from(all).unwrap(), left);
}
