//! How often one user may ask, and for how much at once.

use std::fs;

use futures_util::future::{join, join_all};
use key_backup_testkit::{
    Account, TestDatabase, Worker,
    http::{Connection, Request, Response},
    temporary_folder,
};

use crate::common::{VERSION, binary, eventually, keys, new_version, upload};

const LIMITED: &str = "key_backup_worker: {rate_limit: {per_second: 1, burst_count: 5}}\n";

/// The statuses of so many requests, one right after another.
async fn ask(worker: &Worker, token: &str, times: usize) -> Vec<Response> {
    let mut connection = Connection::open(worker.address()).await.unwrap();
    let request = Request::new("GET", VERSION).bearer(token);
    let mut answers = Vec::new();
    for _ in 0..times {
        answers.push(connection.request(&request).await.unwrap());
    }
    answers
}

fn refusals(answers: &[Response]) -> usize {
    answers.iter().filter(|answer| answer.status == 429).count()
}

async fn set_override(database: &TestDatabase, user: &Account, per_second: i64, burst: i64) {
    let sql =
        "INSERT INTO ratelimit_override (user_id, messages_per_second, burst_count) VALUES ($1, $2, $3)";
    database.connect().await.unwrap().execute(sql, &[&user.user_id, &per_second, &burst]).await.unwrap();
}

#[tokio::test]
async fn who_asks_too_often_is_told_how_long_to_wait_and_nobody_else_notices() {
    let database = TestDatabase::create().await.unwrap();
    let (alice, bob) = (database.add_user("alice").await.unwrap(), database.add_user("bob").await.unwrap());
    let worker = Worker::configure(binary()).database(&database).yaml(LIMITED).start().await.unwrap();
    let answers = ask(&worker, &alice.access_token, 40).await;
    assert!(answers[..5].iter().all(|answer| answer.status == 404));
    let refused = answers.iter().find(|answer| answer.status == 429).expect("a refusal");
    let body = refused.json().unwrap();
    assert_eq!(body["errcode"], "M_LIMIT_EXCEEDED");
    assert!((1..=1000).contains(&body["retry_after_ms"].as_u64().unwrap()), "{body}");
    assert_eq!(refused.header("Retry-After"), Some("1"));
    assert_eq!(refusals(&ask(&worker, &bob.access_token, 3).await), 0);
}

#[tokio::test]
async fn synapses_overrides_raise_the_limit_and_never_lower_it() {
    let database = TestDatabase::create().await.unwrap();
    let mut users = Vec::new();
    for (name, per_second, burst) in [("free", 0, 0), ("raised", 100_000, 100_000), ("lowered", 1, 1)] {
        let user = database.add_user(name).await.unwrap();
        set_override(&database, &user, per_second, burst).await;
        users.push(user);
    }
    let worker = Worker::configure(binary()).database(&database).yaml(LIMITED).start().await.unwrap();
    let [free, raised, lowered] = &users[..] else { panic!("three users") };
    assert_eq!(refusals(&ask(&worker, &free.access_token, 40).await), 0);
    assert_eq!(refusals(&ask(&worker, &raised.access_token, 40).await), 0);
    let answers = ask(&worker, &lowered.access_token, 40).await;
    assert!(refusals(&answers) > 0 && refusals(&answers[..5]) == 0);
}

#[tokio::test]
async fn who_asks_too_often_holds_nobody_up_while_the_overrides_cannot_be_read() {
    let database = TestDatabase::create().await.unwrap();
    let (alice, bob) = (database.add_user("alice").await.unwrap(), database.add_user("bob").await.unwrap());
    let own = "key_backup_worker: {threads: 1, max_requests_in_flight: 8, rate_limit: {per_second: 1, burst_count: 2}}\n";
    let worker = Worker::configure(binary()).database(&database).yaml(own).start().await.unwrap();
    let [alice, bob] = [alice, bob].map(|user| worker.client().as_user(&user.access_token));
    let mut administrator = database.connect().await.unwrap();
    let lock = administrator.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE ratelimit_override IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let asks = join_all((0..60).map(|_| async { alice.get(VERSION).await.unwrap().status }));
    let (statuses, ()) = join(asks, async {
        eventually("a query that waits for the lock", async || {
            database.waiting_for_locks().await.unwrap() > 0
        })
        .await;
        for _ in 0..2 {
            assert_eq!(bob.get(VERSION).await.unwrap().status, 404);
        }
    })
    .await;
    assert!(statuses.contains(&404) && statuses.contains(&429), "{statuses:?}");
    assert!(!statuses.contains(&503), "{statuses:?}");
}

#[tokio::test]
async fn application_services_are_exempt_if_their_registration_says_so() {
    let folder = temporary_folder().unwrap();
    let registration = |id: &str, limited: &str| {
        let path = folder.path().join(id);
        let yaml = format!(
            "id: {id}\nurl: null\nas_token: {id}_as_token\nhs_token: {id}_hs_token\nsender_localpart: {id}\nnamespaces: {{}}\n{limited}"
        );
        fs::write(&path, yaml).unwrap();
        path.display().to_string()
    };
    let files = [registration("free", "rate_limited: false\n"), registration("bound", "")];
    let database = TestDatabase::create().await.unwrap();
    let yaml = format!("{LIMITED}app_service_config_files: {files:?}\n");
    let worker = Worker::configure(binary()).database(&database).yaml(&yaml).start().await.unwrap();
    assert_eq!(refusals(&ask(&worker, "free_as_token", 40).await), 0);
    assert!(refusals(&ask(&worker, "bound_as_token", 40).await) > 0);
}

#[tokio::test]
async fn a_login_that_fetches_key_after_key_never_meets_the_limit() {
    let database = TestDatabase::create().await.unwrap();
    let alice = database.add_user("alice").await.unwrap();
    let worker = Worker::configure(binary()).database(&database).start().await.unwrap();
    new_version(&worker.client().as_user(&alice.access_token)).await;
    assert!(ask(&worker, &alice.access_token, 2000).await.iter().all(|answer| answer.status == 200));
}

#[tokio::test]
async fn one_user_has_a_quarter_of_the_places_at_most_and_others_are_served_meanwhile() {
    let database = TestDatabase::create().await.unwrap();
    let (alice, bob) = (database.add_user("alice").await.unwrap(), database.add_user("bob").await.unwrap());
    let yaml = "key_backup_worker: {threads: 1, max_requests_in_flight: 8, max_queue_time: 300}\n";
    let worker = Worker::configure(binary()).database(&database).yaml(yaml).metrics().start().await.unwrap();
    let client = |user: &Account| worker.client().as_user(&user.access_token);
    new_version(&client(&alice)).await;
    new_version(&client(&bob)).await;
    // As long as somebody else has Alice's lock, her uploads keep the places that they have got.
    let holder = database.connect().await.unwrap();
    holder.execute("SELECT pg_advisory_lock(27490, hashtext($1))", &[&alice.user_id]).await.unwrap();
    let uploads = (0..6).map(|_| {
        let client = client(&alice);
        tokio::spawn(async move { client.put(&keys("1"), &upload(1)).await.unwrap() })
    });
    let uploads: Vec<_> = uploads.collect();
    eventually("the refusal of those beyond two", async || {
        worker.metric("key_backup_refused_total", &["reason=\"user_requests\""]).await.unwrap() == 4
    })
    .await;
    assert_eq!(client(&bob).put(&keys("1"), &upload(1)).await.unwrap().status, 200);
    assert_eq!(client(&bob).get(VERSION).await.unwrap().status, 200);
    drop(holder);
    let answers = join_all(uploads).await.into_iter().map(Result::unwrap);
    let (served, refused): (Vec<_>, Vec<_>) = answers.partition(|answer| answer.status == 200);
    assert_eq!((served.len(), refused.len()), (2, 4));
    for answer in refused {
        assert_eq!(answer.status, 429, "{}", answer.text());
        assert_eq!(answer.json().unwrap()["errcode"], "M_LIMIT_EXCEEDED");
        assert_eq!(answer.header("Retry-After"), Some("1"));
    }
}
