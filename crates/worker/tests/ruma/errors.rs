//! Errors that clients act on.

use std::collections::BTreeMap;

use ruma_client_api::backup::{
    add_backup_keys, delete_backup_version, get_backup_info, get_backup_keys, get_backup_keys_for_session,
    get_latest_backup_info,
};
use ruma_common::api::error::{ErrorKind, UnknownTokenErrorData};

use super::{Fixture, client::kind, room};

#[tokio::test]
async fn an_upload_to_an_old_version_is_told_of_the_current_one() {
    let fixture = Fixture::start().await;
    let old = fixture.new_version().await;
    fixture.new_version().await;
    let request = add_backup_keys::v3::Request::new(old, BTreeMap::new());
    let error = fixture.alice.send(request).await.unwrap_err();
    let (status, ErrorKind::WrongRoomKeysVersion(data)) = kind(&error) else { panic!("{error}") };
    assert_eq!((status, data.current_version.as_str()), (403, "2"));
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let fixture = Fixture::start().await;
    let alice = &fixture.alice;
    let none = alice.send(get_latest_backup_info::v3::Request::new()).await.unwrap_err();
    let version = fixture.new_version().await;
    let unknown = || "7".to_owned();
    let session = get_backup_keys_for_session::v3::Request::new(version, room("!r:x"), "s".to_owned());
    let errors = [
        none,
        alice.send(get_backup_info::v3::Request::new(unknown())).await.unwrap_err(),
        alice.send(delete_backup_version::v3::Request::new(unknown())).await.unwrap_err(),
        alice.send(get_backup_keys::v3::Request::new(unknown())).await.unwrap_err(),
        alice.send(add_backup_keys::v3::Request::new(unknown(), BTreeMap::new())).await.unwrap_err(),
        alice.send(session).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(kind(&error), (404, ErrorKind::NotFound)), "{error}");
    }
}

#[tokio::test]
async fn an_unknown_token_is_no_soft_logout() {
    let fixture = Fixture::start().await;
    let stranger = fixture.alice.with_token("nobody");
    let error = stranger.send(get_latest_backup_info::v3::Request::new()).await.unwrap_err();
    let (401, ErrorKind::UnknownToken(UnknownTokenErrorData { soft_logout, .. })) = kind(&error) else {
        panic!("{error}")
    };
    assert!(!soft_logout);
}

#[tokio::test]
async fn a_version_that_is_no_number_is_not_found() {
    let fixture = Fixture::start().await;
    let request = get_backup_info::v3::Request::new("a/b".to_owned());
    let error = fixture.alice.send(request).await.unwrap_err();
    assert!(matches!(kind(&error), (404, ErrorKind::NotFound)), "{error}");
}
