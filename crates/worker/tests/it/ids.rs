//! Room and session ids: any text is one, however it is written into a path.

use serde_json::json;

use crate::common::{Fixture, assert_error, key, keys, ok, room_keys, session_key};

/// Every byte as an escape.
fn encoded(text: &str) -> String {
    let escapes: Vec<String> = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    escapes.concat()
}

#[tokio::test]
async fn ids_may_hold_anything_and_stay_apart() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let client = fixture.as_alice();
    let long = "x".repeat(1500);
    let ids = [
        "a/b+c/",
        "a%2Fb+c%2F",
        "a b c",
        " ",
        "..",
        ".",
        "é😀\u{1}",
        "\"\\",
        "keys",
        "!r:example.com",
        &long,
    ];
    for (index, id) in (0..).zip(ids) {
        let path = session_key(&version, &encoded(id), &encoded(id));
        assert_eq!(client.put(&path, &key(index, 0, false)).await.unwrap().status, 200, "{id:?}");
    }
    let all = ok(&client.get(&keys(&version)).await.unwrap());
    for (index, id) in (0..).zip(ids) {
        assert_eq!(all["rooms"][id]["sessions"][id], key(index, 0, false), "{id:?}");
        let room = ok(&client.get(&room_keys(&version, &encoded(id))).await.unwrap());
        assert_eq!(room, json!({ "sessions": { id: key(index, 0, false) } }), "{id:?}");
    }
    assert_eq!(all["rooms"].as_object().unwrap().len(), ids.len());
}

#[tokio::test]
async fn ids_from_a_path_and_from_a_body_are_the_same() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let client = fixture.as_alice();
    let body = json!({ "rooms": { "!r:example.com": { "sessions": { "a+b/c": key(1, 0, false) } } } });
    client.put(&keys(&version), &body).await.unwrap();
    // As matrix-js-sdk, as ruma, and with everything escaped.
    for (room, session) in [
        ("!r%3Aexample.com", "a%2Bb%2Fc"),
        ("!r:example.com", "a+b%2Fc"),
        ("%21r%3aexample%2ecom", "%61+b%2fc"),
    ] {
        let got = client.get(&session_key(&version, room, session)).await.unwrap();
        assert_eq!(ok(&got), key(1, 0, false), "{room} {session}");
    }
    let decoded_first = client.get(&session_key(&version, "!r:example.com", "a+b/c")).await.unwrap();
    assert_eq!(decoded_first.status, 404);
}

#[tokio::test]
async fn an_id_with_a_nul_character_is_refused_wherever_it_stands() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let client = fixture.as_alice();
    let in_path = "an id in the path holds U+0000, which cannot be stored";
    for path in
        [session_key(&version, "%00", "s"), session_key(&version, "!r", "a%00b"), room_keys(&version, "%00")]
    {
        for response in [
            client.get(&path).await.unwrap(),
            client.delete(&path).await.unwrap(),
            client.put(&path, &key(0, 0, false)).await.unwrap(),
        ] {
            assert_error(&response, 400, "M_INVALID_PARAM", in_path);
        }
    }
    let room = json!({ "rooms": { "a\0": { "sessions": {} } } });
    let response = client.put(&keys(&version), &room).await.unwrap();
    assert_error(&response, 400, "M_INVALID_PARAM", "a name in rooms holds U+0000, which cannot be stored");
    let session = json!({ "sessions": { "a\0": key(0, 0, false) } });
    let response = client.put(&room_keys(&version, "!r"), &session).await.unwrap();
    assert_error(
        &response,
        400,
        "M_INVALID_PARAM",
        "a name in sessions holds U+0000, which cannot be stored",
    );
    assert_eq!(ok(&client.get(&keys(&version)).await.unwrap()), json!({ "rooms": {} }));
}

#[tokio::test]
async fn an_id_that_the_index_cannot_hold_is_refused_and_nothing_is_stored() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    // Text that does not compress: PostgreSQL's limit is on the row of the index.
    let mut state = 1_u32;
    let mut letter = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'0' + u8::try_from(state >> 26).unwrap())
    };
    let long: String = (0..6000).map(|_| letter()).collect();
    let body =
        json!({ "rooms": { "!r": { "sessions": { "good": key(1, 0, false), long: key(1, 0, false) } } } });
    let answer = fixture.as_alice().put(&keys(&version), &body).await.unwrap();
    assert_error(&answer, 400, "M_INVALID_PARAM", "A room or session id is too long to be stored");
    assert_eq!(ok(&fixture.as_alice().get(&keys(&version)).await.unwrap()), json!({ "rooms": {} }));
}
