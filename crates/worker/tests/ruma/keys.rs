//! The nine operations on keys.

use std::collections::{BTreeMap, BTreeSet};

use ruma_client_api::backup::{
    RoomKeyBackup, add_backup_keys, add_backup_keys_for_room, add_backup_keys_for_session,
    delete_backup_keys, delete_backup_keys_for_room, delete_backup_keys_for_session, get_backup_keys,
    get_backup_keys_for_room, get_backup_keys_for_session,
};
use ruma_common::api::{MatrixVersion, SupportedVersions};

use super::{Fixture, index_of, key, room};

/// A room of version 12, whose id has no server part, and a session id with all that has to be encoded in a path.
const ROOM: &str = "!kNZBmxHZvEQpm0dRmHGZxRxpnDT3wGSwZKWYMr2WqPU";
const SESSION: &str = "oR/K+3a/b?c#d %e";

async fn upload(fixture: &Fixture, version: &str) -> (String, u64) {
    let sessions = BTreeMap::from([(SESSION.to_owned(), key(5)), ("other".to_owned(), key(6))]);
    let rooms = BTreeMap::from([(room(ROOM), RoomKeyBackup::new(sessions))]);
    let request = add_backup_keys::v3::Request::new(version.to_owned(), rooms);
    let answer = fixture.alice.send(request).await.unwrap();
    (answer.etag, answer.count.into())
}

#[tokio::test]
async fn keys_of_all_rooms_are_uploaded_and_restored() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    assert_eq!(upload(&fixture, &version).await, ("1".to_owned(), 2));
    let restored = fixture.alice.send(get_backup_keys::v3::Request::new(version)).await.unwrap();
    let sessions = &restored.rooms[&room(ROOM)].sessions;
    assert_eq!((sessions.len(), index_of(&sessions[SESSION]), index_of(&sessions["other"])), (2, 5, 6));
}

#[tokio::test]
async fn an_empty_backup_is_restored_as_no_rooms() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let all = fixture.alice.send(get_backup_keys::v3::Request::new(version.clone())).await.unwrap();
    assert!(all.rooms.is_empty());
    let request = get_backup_keys_for_room::v3::Request::new(version, room(ROOM));
    assert!(fixture.alice.send(request).await.unwrap().sessions.is_empty());
}

#[tokio::test]
async fn keys_of_a_room_are_uploaded_and_restored() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let sessions = BTreeMap::from([(SESSION.to_owned(), key(5))]);
    let request = add_backup_keys_for_room::v3::Request::new(version.clone(), room(ROOM), sessions);
    let answer = fixture.alice.send(request).await.unwrap();
    assert_eq!((answer.etag.as_str(), answer.count), ("1", 1u32.into()));
    let request = get_backup_keys_for_room::v3::Request::new(version, room(ROOM));
    let restored = fixture.alice.send(request).await.unwrap().sessions;
    assert_eq!((restored.len(), index_of(&restored[SESSION])), (1, 5));
}

#[tokio::test]
async fn a_single_key_is_uploaded_and_restored() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let request = add_backup_keys_for_session::v3::Request::new(
        version.clone(),
        room(ROOM),
        SESSION.to_owned(),
        key(5),
    );
    let answer = fixture.alice.send(request).await.unwrap();
    assert_eq!((answer.etag.as_str(), answer.count), ("1", 1u32.into()));
    let request = get_backup_keys_for_session::v3::Request::new(version, room(ROOM), SESSION.to_owned());
    assert_eq!(index_of(&fixture.alice.send(request).await.unwrap().key_data), 5);
}

#[tokio::test]
async fn keys_are_deleted_one_by_one_by_room_and_all_together() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    upload(&fixture, &version).await;
    let (alice, version) = (&fixture.alice, || version.clone());
    let one = delete_backup_keys_for_session::v3::Request::new(version(), room(ROOM), SESSION.to_owned());
    let one = alice.send(one).await.unwrap();
    assert_eq!((one.etag.as_str(), one.count), ("2", 1u32.into()));
    let room = delete_backup_keys_for_room::v3::Request::new(version(), room(ROOM));
    let room = alice.send(room).await.unwrap();
    assert_eq!((room.etag.as_str(), room.count), ("3", 0u32.into()));
    let all = alice.send(delete_backup_keys::v3::Request::new(version())).await.unwrap();
    assert_eq!((all.etag.as_str(), all.count), ("4", 0u32.into()));
}

#[tokio::test]
async fn clients_of_older_versions_of_the_specification_are_served() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    upload(&fixture, &version).await;
    for supported in [Some(MatrixVersion::V1_0), None] {
        let versions =
            SupportedVersions { versions: supported.into_iter().collect(), features: BTreeSet::new() };
        let request =
            get_backup_keys_for_session::v3::Request::new(version.clone(), room(ROOM), SESSION.to_owned());
        assert_eq!(index_of(&fixture.alice.send_to(request, versions).await.unwrap().key_data), 5);
    }
}
