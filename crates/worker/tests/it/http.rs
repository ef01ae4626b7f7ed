//! What every answer has in common: headers, CORS, unknown paths and methods.

use key_backup_testkit::http::{Request, Response};

use crate::common::{Fixture, ROOM_KEYS, VERSION, assert_error, keys, ok, session_key};

const CORS: [(&str, &str); 4] = [
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE, OPTIONS"),
    ("Access-Control-Allow-Headers", "X-Requested-With, Content-Type, Authorization, Date"),
    ("Access-Control-Expose-Headers", "Synapse-Trace-Id, Server"),
];

#[track_caller]
fn assert_cors(response: &Response) {
    for (name, value) in CORS {
        assert_eq!(response.header(name), Some(value), "{:?}", response.head);
    }
}

#[tokio::test]
async fn every_json_answer_has_synapses_headers() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let client = fixture.as_alice();
    let long = format!("{ROOM_KEYS}/nothing");
    for response in [
        client.get(VERSION).await.unwrap(),
        client.get(&keys(&version)).await.unwrap(),
        client.get(&session_key(&version, "!r", "s")).await.unwrap(),
        client.get(&long).await.unwrap(),
        client.send(Request::new("PATCH", VERSION)).await.unwrap(),
        client.send(Request::new("POST", VERSION).body("{")).await.unwrap(),
        fixture.worker.client().get(VERSION).await.unwrap(),
    ] {
        assert_cors(&response);
        assert_eq!(response.header("Content-Type"), Some("application/json"));
        assert_eq!(response.header("Cache-Control"), Some("no-cache, no-store, must-revalidate"));
        assert_eq!(response.header("Content-Length"), Some(&*response.body.len().to_string()));
        assert!(response.header("Date").is_some() && response.header("ETag").is_none());
        assert!(response.json().unwrap().is_object());
    }
}

#[tokio::test]
async fn a_preflight_is_answered_on_any_path_and_with_any_token() {
    let fixture = Fixture::start().await;
    let client = fixture.worker.client();
    for path in [VERSION, &keys("1"), "/_matrix/client/v3/sync", "/nowhere", "/health"] {
        for request in [Request::new("OPTIONS", path), Request::new("OPTIONS", path).bearer("wrong")] {
            let response = client.send(request).await.unwrap();
            assert_eq!(response.status, 204, "{path}");
            assert_cors(&response);
            assert_eq!(response.header("Content-Type"), None);
            assert_eq!(response.header("Cache-Control"), None);
            assert_eq!(response.header("Access-Control-Max-Age"), Some("86400"));
            assert!(response.body.is_empty());
        }
    }
}

#[tokio::test]
async fn browsers_need_not_remember_a_preflight() {
    let fixture = Fixture::with("key_backup_worker: {cors_max_age: 0}\n").await;
    let response = fixture.worker.client().send(Request::new("OPTIONS", VERSION)).await.unwrap();
    assert_eq!((response.status, response.header("Access-Control-Max-Age")), (204, None));
}

#[tokio::test]
async fn unknown_paths_are_404_before_any_token_is_looked_at() {
    let fixture = Fixture::start().await;
    for path in [
        "/",
        "/_matrix/client/v1/room_keys/version",
        "/_matrix/client/v3/room_keys",
        "/_matrix/client/v3/room_keys/version/",
        "/_matrix/client/v3/room_keys/version/1/2",
        "/_matrix/client/v3/room_keys/keys/",
        "/_matrix/client/v3/room_keys/keys//s?version=1",
        "/_matrix/client/v3/room_keys/keys/r/s/t?version=1",
        "/_matrix/client/v3/room_keys/%6Beys?version=1",
        "/_matrix/client/v3/room_keys/Version",
        "/_matrix/client/v3/room_keys//version",
        "/_matrix/client/v3/sync",
        "/_synapse/metrics",
        "/health/",
        "/health/x",
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let response = fixture.worker.client().send(Request::new(method, path)).await.unwrap();
            assert_error(&response, 404, "M_UNRECOGNIZED", "Unrecognized request");
        }
    }
}

#[tokio::test]
async fn other_methods_of_a_known_path_are_405_before_any_token_is_looked_at() {
    let fixture = Fixture::start().await;
    let (one, all) = (format!("{VERSION}/1"), keys("1"));
    for (method, path) in [
        ("PUT", VERSION),
        ("DELETE", VERSION),
        ("POST", &*one),
        ("POST", &*all),
        ("PATCH", &*all),
        ("get", VERSION),
        ("POST", "/health"),
    ] {
        let response = fixture.worker.client().send(Request::new(method, path)).await.unwrap();
        assert_error(&response, 405, "M_UNRECOGNIZED", "Unrecognized request");
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let fixture = Fixture::start().await;
    fixture.new_version().await;
    let client = fixture.as_alice();
    for path in [VERSION, &*keys("1"), &*session_key("1", "!r", "s"), "/health"] {
        let get = client.get(path).await.unwrap();
        let head = client.send(Request::new("HEAD", path)).await.unwrap();
        assert!(head.body.is_empty());
        assert_eq!(head.status, get.status, "{path}");
        for name in ["Content-Type", "Content-Length", "Access-Control-Allow-Origin"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
}

#[tokio::test]
async fn conditions_ranges_and_accepted_encodings_are_ignored() {
    let fixture = Fixture::start().await;
    fixture.new_version().await;
    let client = fixture.as_alice();
    let plain = client.get(VERSION).await.unwrap();
    let request = Request::new("GET", VERSION)
        .header("Accept-Encoding", "gzip, br")
        .header("If-None-Match", "*")
        .header("Range", "bytes=0-1");
    let response = client.send(request).await.unwrap();
    assert_eq!(ok(&response), ok(&plain));
    assert_eq!(response.header("Content-Encoding"), None);
}

#[tokio::test]
async fn repeated_and_odd_parameters_are_read_as_synapse_reads_them() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let client = fixture.as_alice();
    let path = keys(&version).replace("?version=1", "");
    for (query, status) in [
        ("version=1&version=2", 200),
        ("version=2&version=1", 404),
        ("x;version=1", 200),
        ("%76ersion=%31", 200),
        ("Version=1", 400),
        ("version=+1", 404),
        ("version=", 404),
    ] {
        let response = client.get(&format!("{path}?{query}")).await.unwrap();
        assert_eq!(response.status, status, "{query}");
    }
}
