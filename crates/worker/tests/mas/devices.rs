//! A device that Synapse has deleted is out at once: that is how MAS takes a token back.

use std::time::{Duration, Instant};

use key_backup_testkit::{
    services::{Redis, RedisAddress},
    temporary_folder,
};
use tokio::time::sleep;

use crate::{
    fixture::{Fixture, mas_yaml},
    redis::publish,
    service::Service,
};

const HITS: &str = "key_backup_tokens_lookups_total{result=\"hit\",server_name=\"example.com\"}";

/// As Synapse does when MAS tells it to: the device goes, with a row that says so.
async fn delete_device(fixture: &Fixture) {
    let client = fixture.database.connect().await.unwrap();
    let statement = "WITH gone AS (DELETE FROM devices WHERE user_id = $1)
        INSERT INTO cache_invalidation_stream_by_instance (stream_id, instance_name, cache_func, keys)
        SELECT nextval('cache_invalidation_stream_seq'), 'master', 'get_device', ARRAY[$1]";
    client.execute(statement, &[&fixture.alice.user_id]).await.unwrap();
}

async fn with_redis(redis: RedisAddress) -> Fixture {
    let mas = Service::start().await;
    let yaml = mas_yaml(&format!("http://127.0.0.1:{}", mas.port()));
    let fixture = Fixture::start_with(mas, &[&yaml, &redis.redis_yaml()]).await;
    fixture.let_in("mat_1");
    fixture
}

/// Until the worker hears Synapse, and so does not look for the device any more.
async fn until_device_is_remembered(fixture: &Fixture) {
    let started = Instant::now();
    let before = fixture.metric(HITS).await;
    while fixture.metric(HITS).await < before + 3.0 {
        assert!(fixture.is_let_in("mat_1").await);
        assert!(started.elapsed() < Duration::from_secs(10), "the device is never remembered");
    }
}

/// How long the token is still good.
async fn until_refused(fixture: &Fixture) -> Duration {
    let started = Instant::now();
    while fixture.is_let_in("mat_1").await {
        assert!(started.elapsed() < Duration::from_secs(5), "the device is never missed");
        sleep(Duration::from_millis(10)).await;
    }
    started.elapsed()
}

#[tokio::test]
async fn without_redis_a_deleted_device_is_out_at_once() {
    let fixture = Fixture::start().await;
    fixture.let_in("mat_1");
    assert!(fixture.is_let_in("mat_1").await);
    delete_device(&fixture).await;
    assert!(!fixture.is_let_in("mat_1").await);
    assert_eq!(fixture.mas.asked(), 1, "this needs no word of MAS");
}

#[tokio::test]
async fn without_redis_a_device_of_the_same_name_does_not_bring_an_old_token_back() {
    let fixture = Fixture::start().await;
    fixture.let_in("mat_1");
    assert!(fixture.is_let_in("mat_1").await);
    delete_device(&fixture).await;
    assert!(!fixture.is_let_in("mat_1").await);
    let client = fixture.database.connect().await.unwrap();
    let sql = "INSERT INTO devices (user_id, device_id) VALUES ($1, $2)";
    client.execute(sql, &[&fixture.alice.user_id, &fixture.alice.device_id]).await.unwrap();
    fixture.mas.answer("mat_1", crate::service::Answer::Json(serde_json::json!({ "active": false })));
    assert!(!fixture.is_let_in("mat_1").await);
}

#[tokio::test]
async fn with_redis_a_deleted_device_is_out_when_synapse_says_so() {
    let folder = temporary_folder().unwrap();
    let redis = Redis::start(folder.path()).await.unwrap();
    let fixture = with_redis(redis.address()).await;
    until_device_is_remembered(&fixture).await;
    delete_device(&fixture).await;
    publish(
        redis.address(),
        r#"RDATA caches master 7 ["get_device", ["@alice:example.com"], 1700000000000]"#,
    )
    .await;
    let time = until_refused(&fixture).await;
    assert!(time < Duration::from_secs(1), "it took {time:?}");
}

#[tokio::test]
async fn with_redis_a_deleted_device_is_out_within_a_second_even_if_synapse_cannot_say_so() {
    let folder = temporary_folder().unwrap();
    let redis = Redis::start(folder.path()).await.unwrap();
    let fixture = with_redis(redis.address()).await;
    until_device_is_remembered(&fixture).await;
    delete_device(&fixture).await;
    let time = until_refused(&fixture).await;
    assert!(time < Duration::from_secs(1), "it took {time:?}");
}

#[tokio::test]
async fn with_redis_hung_a_deleted_device_is_out_within_a_second() {
    let folder = temporary_folder().unwrap();
    let redis = Redis::start(folder.path()).await.unwrap();
    let fixture = with_redis(redis.address()).await;
    until_device_is_remembered(&fixture).await;
    redis.pause().unwrap();
    delete_device(&fixture).await;
    let time = until_refused(&fixture).await;
    redis.resume().unwrap();
    assert!(time < Duration::from_secs(1), "it took {time:?}");
}

#[tokio::test]
async fn a_remembered_device_does_not_outlive_what_mas_has_said() {
    let folder = temporary_folder().unwrap();
    let redis = Redis::start(folder.path()).await.unwrap();
    let fixture = with_redis(redis.address()).await;
    until_device_is_remembered(&fixture).await;
    let short = fixture.good_but(&serde_json::json!({ "expires_in": 1 }));
    fixture.mas.answer("mat_2", crate::service::Answer::Json(short));
    assert!(fixture.is_let_in("mat_2").await);
    fixture.mas.answer("mat_2", crate::service::Answer::Json(serde_json::json!({ "active": false })));
    sleep(Duration::from_millis(1050)).await;
    assert!(!fixture.is_let_in("mat_2").await);
}
