//! The nine operations on keys: what they store, give back and count.

use key_backup_testkit::http::Client;
use serde_json::{Value, json};

use crate::common::{Fixture, assert_error, eventually, key, keys, ok, room_keys, session_key};

/// What an upload or a deletion answers.
fn state(etag: u32, count: u32) -> Value {
    json!({ "etag": etag.to_string(), "count": count })
}

/// Two rooms with three keys.
fn three_keys() -> Value {
    json!({ "rooms": {
        "!a:example.com": { "sessions": { "s1": key(0, 0, false), "s2": key(2, 0, true) } },
        "!b:example.com": { "sessions": { "s1": key(3, 1, false) } },
    } })
}

async fn put(client: &Client, path: &str, body: &Value) -> Value {
    ok(&client.put(path, body).await.unwrap())
}

#[tokio::test]
async fn a_whole_backup_a_room_and_a_session_are_uploaded_and_restored() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let client = fixture.as_alice();
    assert_eq!(put(&client, &keys(&version), &three_keys()).await, state(1, 3));
    let room = json!({ "sessions": { "s2": key(4, 0, false), "s3": key(5, 0, false) } });
    assert_eq!(put(&client, &room_keys(&version, "!b:example.com"), &room).await, state(2, 5));
    let path = session_key(&version, "!c:example.com", "s9");
    assert_eq!(put(&client, &path, &key(6, 0, false)).await, state(3, 6));

    let mut expected = three_keys();
    expected["rooms"]["!b:example.com"]["sessions"]["s2"] = key(4, 0, false);
    expected["rooms"]["!b:example.com"]["sessions"]["s3"] = key(5, 0, false);
    expected["rooms"]["!c:example.com"] = json!({ "sessions": { "s9": key(6, 0, false) } });
    assert_eq!(ok(&client.get(&keys(&version)).await.unwrap()), expected);
    let room = ok(&client.get(&room_keys(&version, "!b:example.com")).await.unwrap());
    assert_eq!(room, expected["rooms"]["!b:example.com"]);
    assert_eq!(ok(&client.get(&path).await.unwrap()), key(6, 0, false));
}

#[tokio::test]
async fn a_session_a_room_and_all_keys_are_deleted() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let client = fixture.as_alice();
    put(&client, &keys(&version), &three_keys()).await;
    let one = client.delete(&session_key(&version, "!a:example.com", "s1")).await.unwrap();
    assert_eq!(ok(&one), state(2, 2));
    let room = client.delete(&room_keys(&version, "!b:example.com")).await.unwrap();
    assert_eq!(ok(&room), state(3, 1));
    let left = json!({ "rooms": { "!a:example.com": { "sessions": { "s2": key(2, 0, true) } } } });
    assert_eq!(ok(&client.get(&keys(&version)).await.unwrap()), left);
    assert_eq!(ok(&client.delete(&keys(&version)).await.unwrap()), state(4, 0));
    assert_eq!(ok(&client.get(&keys(&version)).await.unwrap()), json!({ "rooms": {} }));
}

#[tokio::test]
async fn a_deletion_of_nothing_raises_the_etag_as_in_synapse() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let client = fixture.as_alice();
    put(&client, &session_key(&version, "!r", "s"), &key(0, 0, false)).await;
    assert_eq!(ok(&client.delete(&session_key(&version, "!r", "t")).await.unwrap()), state(2, 1));
    assert_eq!(ok(&client.delete(&room_keys(&version, "!q")).await.unwrap()), state(3, 1));
    client.delete(&keys(&version)).await.unwrap();
    assert_eq!(ok(&client.delete(&keys(&version)).await.unwrap()), state(5, 0));
}

#[tokio::test]
async fn what_is_not_there_is_empty_but_a_single_session_is_not_found() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let client = fixture.as_alice();
    assert_eq!(ok(&client.get(&keys(&version)).await.unwrap()), json!({ "rooms": {} }));
    assert_eq!(ok(&client.get(&room_keys(&version, "!r")).await.unwrap()), json!({ "sessions": {} }));
    let session = client.get(&session_key(&version, "!r", "s")).await.unwrap();
    assert_error(&session, 404, "M_NOT_FOUND", "No room_keys found");
}

#[tokio::test]
async fn an_unknown_version_is_not_found_by_any_operation_on_keys() {
    let fixture = Fixture::start().await;
    let client = fixture.as_alice();
    for path in [keys("1"), room_keys("1", "!r"), session_key("1", "!r", "s")] {
        let unknown = "Unknown backup version";
        assert_error(&client.get(&path).await.unwrap(), 404, "M_NOT_FOUND", unknown);
        assert_error(&client.delete(&path).await.unwrap(), 404, "M_NOT_FOUND", unknown);
        let upload = client.put(&path, &json!({})).await.unwrap();
        assert_error(&upload, 404, "M_NOT_FOUND", "Version '1' not found");
    }
}

#[tokio::test]
async fn the_etag_moves_by_one_exactly_when_an_upload_changes_something() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let client = fixture.as_alice();
    let path = keys(&version);
    assert_eq!(put(&client, &path, &three_keys()).await, state(1, 3));
    assert_eq!(put(&client, &path, &three_keys()).await, state(1, 3));
    assert_eq!(put(&client, &path, &json!({ "rooms": {} })).await, state(1, 3));
    assert_eq!(put(&client, &path, &json!({ "rooms": { "!a": { "sessions": {} } } })).await, state(1, 3));
    // Two better keys, one new one, one that is worse.
    let mut mixed = three_keys();
    mixed["rooms"]["!a:example.com"]["sessions"]["s1"] = key(0, 0, true);
    mixed["rooms"]["!a:example.com"]["sessions"]["s2"] = key(1, 0, true);
    mixed["rooms"]["!b:example.com"]["sessions"]["s1"] = key(4, 1, false);
    mixed["rooms"]["!b:example.com"]["sessions"]["new"] = key(9, 9, false);
    assert_eq!(put(&client, &path, &mixed).await, state(2, 4));
    mixed["rooms"]["!b:example.com"]["sessions"]["s1"] = key(3, 1, false);
    assert_eq!(ok(&client.get(&path).await.unwrap()), mixed);
}

#[tokio::test]
async fn a_key_is_replaced_by_a_better_one_as_the_specification_orders_them() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let client = fixture.as_alice();
    let cases = [
        // Verified comes first, whatever the rest says; Synapse would keep neither of these two.
        ((0, 0, false), (9, 9, true), true),
        ((9, 9, true), (0, 0, false), false),
        ((5, 0, false), (4, 7, false), true),
        ((4, 7, false), (5, 0, false), false),
        ((5, 3, true), (5, 2, true), true),
        ((5, 2, true), (5, 3, true), false),
        ((5, 2, true), (5, 2, true), false),
        ((0, 0, false), (-1, 0, false), true),
        ((i32::MAX, 0, false), (i32::MIN, 0, false), true),
    ];
    for (number, (old, new, replaced)) in cases.into_iter().enumerate() {
        let path = session_key(&version, "!r", &format!("s{number}"));
        let old_key = key(old.0, old.1, old.2);
        let mut new_key = key(new.0, new.1, new.2);
        new_key["session_data"] = json!("new");
        let before = put(&client, &path, &old_key).await;
        let after = put(&client, &path, &new_key).await;
        assert_eq!(before != after, replaced, "{old:?} then {new:?}");
        let kept = ok(&client.get(&path).await.unwrap());
        assert_eq!(kept, if replaced { new_key } else { old_key }, "{old:?} then {new:?}");
    }
}

#[tokio::test]
async fn session_data_comes_back_in_the_spelling_in_which_it_was_sent() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let client = fixture.as_alice();
    for (number, data) in [
        "null",
        r#""text é 😀 \u0000 \ud83d""#,
        r#"{ "b":1.0, "a":-0.0 ,"n":123456789012345678901234567890,"b":2 }"#,
        "[1e2,\t[]]",
    ]
    .into_iter()
    .enumerate()
    {
        let body = format!(
            r#"{{"first_message_index":0,"forwarded_count":0,"is_verified":false,"session_data":{data},"x":1}}"#
        );
        let path = session_key(&version, "!r", &number.to_string());
        let request = key_backup_testkit::http::Request::new("PUT", &path).body(body);
        assert_eq!(client.send(request).await.unwrap().status, 200, "{data}");
        for restored in [path, room_keys(&version, "!r"), keys(&version)] {
            let text = client.get(&restored).await.unwrap().text();
            assert!(text.contains(&format!(r#""session_data":{data}}}"#)), "{text}");
        }
    }
}

#[tokio::test]
async fn the_three_prefixes_lead_to_the_same_backup() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let client = fixture.as_alice();
    for (number, prefix) in ["r0", "v3", "unstable"].into_iter().enumerate() {
        let path = session_key(&version, "!r", &format!("s{number}")).replace("v3", prefix);
        put(&client, &path, &key(0, 0, false)).await;
        let all = ok(&client.get(&keys(&version).replace("v3", prefix)).await.unwrap());
        assert_eq!(all["rooms"]["!r"]["sessions"].as_object().unwrap().len(), number + 1);
    }
}

#[tokio::test]
async fn a_deletion_during_an_upload_to_synapse_counts_the_keys_again() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let client = fixture.as_alice();
    for session in ["a", "b"] {
        client.put(&session_key(&version, "!r", session), &key(0, 0, false)).await.unwrap();
    }
    // Synapse commits the keys first, and raises the etag in a transaction of its own.
    let mut synapse = fixture.database.connect().await.unwrap();
    let insert =
        "INSERT INTO e2e_room_keys SELECT user_id, room_id, 's' || n, version, 0, 0, false, session_data
                    FROM e2e_room_keys, generate_series(1, 5) AS n WHERE session_id = 'a'";
    synapse.batch_execute(insert).await.unwrap();
    let raising = synapse.transaction().await.unwrap();
    raising.batch_execute("UPDATE e2e_room_keys_versions SET etag = 3").await.unwrap();
    let path = session_key(&version, "!r", "a");
    let (deleted, ()) = tokio::join!(client.delete(&path), async {
        let waiting = async || fixture.database.waiting_for_locks().await.unwrap();
        eventually("the deletion's wait for Synapse", async || waiting().await > 0).await;
        raising.commit().await.unwrap();
    });
    assert_eq!(ok(&deleted.unwrap()), state(4, 6));
}
