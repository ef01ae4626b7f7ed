//! The five operations on versions.

use ruma_client_api::backup::{
    create_backup_version, delete_backup_version, get_backup_info, get_latest_backup_info,
    update_backup_version,
};

use super::{Fixture, algorithm};

#[tokio::test]
async fn a_version_is_made_and_told_of() {
    let Fixture { alice, .. } = &Fixture::start().await;
    let made = alice.send(create_backup_version::v3::Request::new(algorithm(b"one"))).await.unwrap();
    assert_eq!(made.version, "1");
    let latest = alice.send(get_latest_backup_info::v3::Request::new()).await.unwrap();
    assert_eq!((latest.version.as_str(), latest.etag.as_str(), latest.count), ("1", "0", 0u32.into()));
    let sent = algorithm(b"one").deserialize().unwrap();
    assert_eq!(latest.algorithm.deserialize().unwrap().auth_data(), sent.auth_data());
    let by_number = alice.send(get_backup_info::v3::Request::new("1".to_owned())).await.unwrap();
    assert_eq!(
        (by_number.version, by_number.etag, by_number.count),
        (latest.version, latest.etag, latest.count)
    );
}

#[tokio::test]
async fn auth_data_is_replaced() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let request = update_backup_version::v3::Request::new(version, algorithm(b"two"));
    fixture.alice.send(request).await.unwrap();
    let latest = fixture.alice.send(get_latest_backup_info::v3::Request::new()).await.unwrap();
    let sent = algorithm(b"two").deserialize().unwrap();
    assert_eq!(latest.algorithm.deserialize().unwrap().auth_data(), sent.auth_data());
}

#[tokio::test]
async fn a_deleted_version_makes_way_for_the_one_before() {
    let fixture = Fixture::start().await;
    fixture.new_version().await;
    let version = fixture.new_version().await;
    fixture.alice.send(delete_backup_version::v3::Request::new(version)).await.unwrap();
    let latest = fixture.alice.send(get_latest_backup_info::v3::Request::new()).await.unwrap();
    assert_eq!(latest.version, "1");
}
