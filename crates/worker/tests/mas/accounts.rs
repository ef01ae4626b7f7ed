//! Who else may enter where MAS issues the tokens, and who counts as seen.

use key_backup_testkit::{services::Redis, temporary_folder};
use serde_json::json;

use crate::{
    fixture::{Fixture, SECRET, mas_yaml, not_active},
    redis::UserIps,
    service::{Answer, Service},
};

#[tokio::test]
async fn tokens_in_synapses_table_count_for_nothing() {
    let fixture = Fixture::start().await;
    let response = fixture.get(&fixture.alice.access_token).await;
    assert_eq!((response.status, response.json().unwrap()), (401, not_active()));
    assert_eq!(fixture.mas.asked(), 1);
    let client = fixture.database.connect().await.unwrap();
    let row = client.query_one("SELECT used FROM access_tokens", &[]).await.unwrap();
    assert!(!row.get::<_, bool>(0), "and they stay as they are");
}

#[tokio::test]
async fn the_secret_opens_no_backup() {
    let fixture = Fixture::start().await;
    assert!(!fixture.is_let_in(SECRET).await);
}

#[tokio::test]
async fn locks_and_guests_and_expiry_are_left_to_mas() {
    let mas = Service::start().await;
    let yaml = mas_yaml(&format!("http://127.0.0.1:{}", mas.port()));
    let fixture = Fixture::start_with(mas, &[&yaml, "account_validity: {enabled: true, period: 1w}"]).await;
    fixture.let_in("mat_1");
    fixture.database.set_locked(&fixture.alice.user_id, true).await.unwrap();
    fixture.database.expire_account(&fixture.alice.user_id, 1).await.unwrap();
    let client = fixture.database.connect().await.unwrap();
    client.execute("UPDATE users SET is_guest = 1, deactivated = 1", &[]).await.unwrap();
    assert!(fixture.is_let_in("mat_1").await);
}

#[tokio::test]
async fn application_services_enter_without_mas() {
    let folder = temporary_folder().unwrap();
    let file = folder.path().join("bridge.yaml");
    let registration = json!({ "id": "bridge", "url": null, "as_token": "bridge_token", "hs_token": "h", "sender_localpart": "bridge", "namespaces": {} });
    std::fs::write(&file, registration.to_string()).unwrap();
    let mas = Service::start().await;
    let yaml = mas_yaml(&format!("http://127.0.0.1:{}", mas.port()));
    let services = format!("app_service_config_files: ['{}']", file.display());
    let fixture = Fixture::start_with(mas, &[&yaml, &services]).await;
    assert!(fixture.is_let_in("bridge_token").await);
    assert_eq!(fixture.mas.asked(), 0);
}

#[tokio::test]
async fn whoever_is_let_in_counts_as_seen_with_the_device_that_mas_names() {
    let folder = temporary_folder().unwrap();
    let redis = Redis::start(folder.path()).await.unwrap();
    let mas = Service::start().await;
    let yaml = mas_yaml(&format!("http://127.0.0.1:{}", mas.port()));
    let fixture = Fixture::start_with(mas, &[&yaml, &redis.address().redis_yaml()]).await;
    let mut user_ips = UserIps::subscribe(redis.address()).await;
    fixture.let_in("mat_1");
    let no_device = fixture.good_but(&json!({ "scope": "urn:matrix:client:api:*" }));
    fixture.mas.answer("mat_2", Answer::Json(no_device));
    let device = format!("\"{}\"", fixture.alice.device_id);
    for (token, device) in [("mat_1", device.as_str()), ("mat_2", "null")] {
        assert_eq!(fixture.get_from("refused", "192.0.2.7").await.status, 401);
        assert_eq!(fixture.get_from(token, "192.0.2.7").await.status, 404);
        let told = user_ips.next().await;
        let expected = format!("USER_IP @alice:example.com [\"{token}\",\"192.0.2.7\",\"test\",{device},");
        assert!(told.contains(&expected), "{told}");
    }
}
