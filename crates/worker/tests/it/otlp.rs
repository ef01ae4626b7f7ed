//! Traces: what leaves for a collector, what never does, and that a collector that fails is nobody's trouble.

use std::{collections::BTreeSet, net::TcpListener};

use key_backup_testkit::{TestDatabase, Worker, http::Request};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use serde_json::json;

use crate::{
    collector::{Collector, attribute},
    common::{Fixture, VERSION, binary, eventually, key, keys, ok, room_keys, session_key},
};

/// A trace that a proxy has begun, and its span.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PROXY: &str = "00f067aa0ba902b7";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// A request that says so, and whether it is to be traced.
fn of_trace(method: &str, path: &str, sampled: bool) -> Request {
    Request::new(method, path).header("traceparent", format!("00-{TRACE}-{PROXY}-0{}", u8::from(sampled)))
}

/// The names of the spans directly below this one.
fn parts<'a>(spans: &'a [Span], parent: &Span) -> BTreeSet<&'a str> {
    let below = spans.iter().filter(|span| span.parent_span_id == parent.span_id);
    below.map(|span| span.name.as_str()).collect()
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name} in {spans:#?}"))
}

#[tokio::test]
async fn a_request_is_a_span_in_the_trace_of_its_proxy_with_its_parts_below() {
    let collector = Collector::start().await;
    let fixture = Fixture::with(&collector.yaml()).await;
    let request = of_trace("GET", &format!("{VERSION}?a=b"), true);
    assert_eq!(fixture.as_alice().send(request).await.unwrap().status, 404);
    // What waits is sent when the worker ends.
    let log = fixture.worker.stop().await.unwrap().log;
    let spans = collector.spans();
    let request = named(&spans, "GET /_matrix/client/v3/room_keys/version");
    assert_eq!((hex(&request.trace_id), hex(&request.parent_span_id)), (TRACE.to_owned(), PROXY.to_owned()));
    assert_eq!(request.kind(), SpanKind::Server);
    let id = attribute(&request.attributes, "request_id").unwrap();
    assert!(log.contains(&format!(" - {id} - ")), "{id} is not in\n{log}");
    for (name, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/_matrix/client/v3/room_keys/version"),
        ("http.response.status_code", "404"),
        ("url.scheme", "http"),
        ("server.address", "example.com"),
    ] {
        assert_eq!(attribute(&request.attributes, name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(parts(&spans, request), ["authenticate", "get_e2e_room_keys_version_info"].into());
    let authenticate = named(&spans, "authenticate");
    assert_eq!(parts(&spans, authenticate), ["get_user_by_access_token", "mark_access_token_as_used"].into());
    let transaction = named(&spans, "get_user_by_access_token");
    assert_eq!(transaction.kind(), SpanKind::Client);
    assert_eq!(attribute(&transaction.attributes, "db.system.name").as_deref(), Some("postgresql"));
    assert!(transaction.start_time_unix_nano < transaction.end_time_unix_nano);
    assert!(transaction.start_time_unix_nano >= authenticate.start_time_unix_nano);
    for resource in collector.resources() {
        assert_eq!(attribute(&resource, "service.name").as_deref(), Some("key-backup-worker"));
        assert_eq!(attribute(&resource, "service.instance.id").as_deref(), Some("key_backup1"));
    }
}

#[tokio::test]
async fn tasks_that_work_for_a_request_are_in_its_trace() {
    let collector = Collector::start().await;
    let fixture = Fixture::with(&collector.yaml()).await;
    let version = fixture.new_version().await;
    let client = fixture.as_alice();
    let room = |keys: i32| {
        let sessions = (0..keys).map(|n| (n.to_string(), key(n, 0, false)));
        json!({ "sessions": sessions.collect::<serde_json::Map<_, _>>() })
    };
    ok(&client.put(&room_keys(&version, "!small"), &room(1)).await.unwrap());
    ok(&client.put(&room_keys(&version, "!large"), &room(2500)).await.unwrap());
    ok(&client.get(&room_keys(&version, "!large")).await.unwrap());
    fixture.worker.stop().await.unwrap();
    let spans = collector.spans();
    let of_room = |method: &str| {
        let name = format!("{method} /_matrix/client/v3/room_keys/keys/{{roomId}}");
        spans.iter().filter(|span| span.name == name).collect::<Vec<_>>()
    };
    let uploads = of_room("PUT");
    assert_eq!(uploads.len(), 2);
    for upload in uploads {
        let parts = parts(&spans, upload);
        assert!(parts.is_superset(&["authenticate", "read_body", "add_e2e_room_keys"].into()), "{parts:?}");
    }
    // The second page is read by a task, while the first is sent.
    let restore = of_room("GET")[0];
    let pages: Vec<_> = spans
        .iter()
        .filter(|span| span.name == "restore_page" && span.parent_span_id == restore.span_id)
        .collect();
    assert_eq!(pages.len(), 2);
    for page in pages {
        assert_eq!(parts(&spans, page), ["get_e2e_room_keys"].into());
    }
}

/// Requests that carry a token in every place, some of them of no use.
fn with_token(path: &str, token: &str) -> [Request; 6] {
    let with_token = format!("{path}&access_token={token}");
    [
        Request::new("PUT", &with_token).json(&key(0, 0, false)),
        Request::new("GET", path).bearer(token),
        Request::new("GET", &format!("{VERSION}?access_token={token}")),
        Request::new("PUT", &with_token).body("{"),
        Request::new("GET", &format!("/nowhere/secret-path?access_token={token}")),
        Request::new("PROPFIND", &with_token),
    ]
}

#[tokio::test]
async fn no_token_and_no_id_of_users_rooms_and_sessions_leaves() {
    let collector = Collector::start().await;
    let fixture = Fixture::with(&collector.yaml()).await;
    let version = fixture.new_version().await;
    let token = &fixture.alice.access_token;
    let path = session_key(&version, "!secret-room:example.com", "secret-session");
    for request in with_token(&path, token) {
        fixture.worker.client().send(request).await.unwrap();
    }
    fixture
        .database
        .connect()
        .await
        .unwrap()
        .batch_execute("ALTER TABLE access_tokens RENAME TO gone")
        .await
        .unwrap();
    let other = Request::new("GET", VERSION).bearer("syt_another_token");
    let failed = fixture.worker.client().send(other).await.unwrap();
    fixture.worker.stop().await.unwrap();
    let everything = collector.everything();
    for secret in [
        token,
        &*fixture.alice.user_id,
        "secret-room",
        "secret-session",
        "secret-path",
        "syt_another_token",
        "does not exist",
    ] {
        assert!(!everything.contains(secret), "{secret} is in {everything}");
    }
    let spans = collector.spans();
    named(&spans, "PUT /_matrix/client/v3/room_keys/keys/{roomId}/{sessionId}");
    // A path and a method that nobody serves.
    assert_eq!(named(&spans, "GET").status.as_ref().map_or(0, |status| status.code), 0);
    named(&spans, "HTTP /_matrix/client/v3/room_keys/keys/{roomId}/{sessionId}");
    let error = spans.iter().find(|span| {
        attribute(&span.attributes, "http.response.status_code") == Some(failed.status.to_string())
    });
    assert_eq!(error.unwrap().status.as_ref().unwrap().code(), StatusCode::Error);
}

#[tokio::test]
async fn what_the_proxy_or_the_ratio_leaves_out_is_not_exported() {
    let collector = Collector::start().await;
    let yaml = collector.yaml().replace("}}", ", sampling_ratio: 0}}");
    let fixture = Fixture::with(&yaml).await;
    let client = fixture.as_alice();
    client.get(VERSION).await.unwrap();
    client.send(of_trace("GET", VERSION, false)).await.unwrap();
    client.send(of_trace("PUT", &keys("1"), true).body("{")).await.unwrap();
    fixture.worker.stop().await.unwrap();
    let spans = collector.spans();
    named(&spans, "PUT /_matrix/client/v3/room_keys/keys");
    assert!(!spans.iter().any(|span| span.name.starts_with("GET")), "{spans:#?}");
}

#[tokio::test]
async fn probes_and_preflights_are_not_traced() {
    let collector = Collector::start().await;
    let fixture = Fixture::with(&collector.yaml()).await;
    let client = fixture.worker.client();
    client.get("/ready").await.unwrap();
    client.send(Request::new("OPTIONS", VERSION)).await.unwrap();
    client.get(VERSION).await.unwrap();
    fixture.worker.stop().await.unwrap();
    let spans = collector.spans();
    let requests: Vec<_> = spans.iter().filter(|span| span.kind() == SpanKind::Server).collect();
    assert_eq!(requests.len(), 1, "{requests:#?}");
}

#[tokio::test]
async fn nothing_is_sent_unless_it_is_configured_whatever_the_environment_says() {
    let collector = Collector::start().await;
    let database = TestDatabase::create().await.unwrap();
    let configure = || {
        let endpoint = collector.endpoint();
        Worker::configure(binary()).database(&database).environment("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    };
    let off = configure().start().await.unwrap();
    off.client().send(of_trace("GET", VERSION, true)).await.unwrap();
    off.stop().await.unwrap();
    assert_eq!(collector.connections(), 0);
    // The collector would have heard of it.
    let on = configure().yaml(&collector.yaml()).start().await.unwrap();
    on.client().send(of_trace("GET", VERSION, true)).await.unwrap();
    on.stop().await.unwrap();
    assert_eq!(collector.spans()[0].trace_id.len(), 16);
}

#[tokio::test]
async fn headers_for_the_collector_come_from_the_environment() {
    let collector = Collector::start().await;
    let database = TestDatabase::create().await.unwrap();
    let worker = Worker::configure(binary())
        .database(&database)
        .yaml(&collector.yaml())
        .environment("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=matrix")
        .start()
        .await
        .unwrap();
    worker.client().get(VERSION).await.unwrap();
    let is_there = async || collector.everything().contains("x-tenant: matrix");
    eventually("a message with the header", is_there).await;
}

#[tokio::test]
async fn a_collector_that_is_away_is_told_of_once_and_costs_no_request_anything() {
    // It is free again at once.
    let address = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let yaml = format!("key_backup_worker: {{otlp: {{endpoint: 'http://{address}'}}}}");
    let fixture = Fixture::with(&yaml).await;
    let client = fixture.as_alice();
    let told = "traces cannot be exported";
    let get = async || assert_eq!(client.get(VERSION).await.unwrap().status, 404);
    eventually("a warning", async || {
        get().await;
        fixture.worker.log().contains(told)
    })
    .await;
    get().await;
    let stopped = fixture.worker.stop().await.unwrap();
    assert!(stopped.status.success());
    assert_eq!(stopped.log.matches(told).count(), 1, "{}", stopped.log);
}

#[tokio::test]
async fn while_a_collector_hangs_spans_are_dropped_and_the_worker_works_and_ends() {
    let collector = Collector::start_silent().await;
    let fixture = Fixture::with(&collector.yaml()).await;
    let client = fixture.as_alice();
    let dropped = "queue full";
    // Each request is several spans, of which 4096 may wait.
    for _ in 0..4096 {
        assert_eq!(client.get(VERSION).await.unwrap().status, 404);
        if fixture.worker.log().contains(dropped) {
            break;
        }
    }
    let stopped = fixture.worker.stop().await.unwrap();
    assert!(stopped.status.success());
    assert!(stopped.log.contains("the last traces are lost"), "no word of the end");
    assert!(stopped.log.contains("dropped_span_count="), "no word of what was dropped");
}
