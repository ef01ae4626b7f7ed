//! A MAS that cannot be asked or does not make sense: 503 in time, never a refusal, since that would log clients out.

use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use serde_json::json;
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};

use crate::{
    fixture::{Fixture, PATIENCE, mas_yaml},
    service::{Answer, Service, ok, response},
};

/// Asks with this token and expects to be told that MAS is to blame. Says how long it took.
async fn expect_unavailable(fixture: &Fixture, token: &str) -> Duration {
    let started = Instant::now();
    let response = fixture.get(token).await;
    assert_eq!(response.status, 503, "{token}: {}", response.text());
    let expected = json!({ "errcode": "M_UNKNOWN", "error": "Unable to introspect the access token" });
    assert_eq!(response.json().unwrap(), expected);
    started.elapsed()
}

#[tokio::test]
async fn every_other_status_is_a_failure() {
    let fixture = Fixture::start().await;
    let good = fixture.good().to_string();
    for status in
        ["301 Moved", "400 Bad Request", "401 Unauthorized", "404 Not Found", "500 Error", "503 Later"]
    {
        fixture.mas.answer("mat_1", Answer::Bytes(response(status, "", good.as_bytes())));
        expect_unavailable(&fixture, "mat_1").await;
    }
    fixture.mas.answer("mat_1", Answer::Bytes(response("201 Created", "", good.as_bytes())));
    assert!(fixture.is_let_in("mat_1").await, "any 2xx will do, and failures are not remembered");
}

#[tokio::test]
async fn what_is_not_the_protocol_is_a_failure() {
    let fixture = Fixture::start().await;
    let wrong_type = fixture.good_but(&json!({ "username": 1 })).to_string();
    let float = fixture.good_but(&json!({ "expires_in": 300.0 })).to_string();
    let half = ok(fixture.good().to_string().as_bytes());
    for (token, bytes) in [
        ("html", ok(b"<html>")),
        ("empty", ok(b"")),
        ("list", ok(b"[]")),
        ("no-active", ok(b"{}")),
        ("wrong-type", ok(wrong_type.as_bytes())),
        ("float", ok(float.as_bytes())),
        ("not-utf-8", ok(b"{\"active\": true, \"username\": \"\xff\"}")),
        ("half", half[..half.len() - 9].to_vec()),
        ("no-head", b"HTTP/1.1 200".to_vec()),
        ("no-http", b"SSH-2.0-OpenSSH\r\n".to_vec()),
        ("nothing", Vec::new()),
    ] {
        fixture.mas.answer(token, Answer::Bytes(bytes));
        let time = expect_unavailable(&fixture, token).await;
        assert!(time < Duration::from_secs(3), "{token} took {time:?}");
    }
}

#[tokio::test]
async fn an_answer_has_at_most_a_mebibyte() {
    let fixture = Fixture::start().await;
    let mut body = fixture.good().to_string().into_bytes();
    body.resize(1 << 20, b' ');
    fixture.mas.answer("mat_1", Answer::Bytes(ok(&body)));
    assert!(fixture.is_let_in("mat_1").await);
    body.push(b' ');
    fixture.mas.answer("mat_2", Answer::Bytes(ok(&body)));
    expect_unavailable(&fixture, "mat_2").await;
    let endless = [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &b" ".repeat(2 << 20)].concat();
    fixture.mas.answer("mat_3", Answer::Silence(endless));
    let time = expect_unavailable(&fixture, "mat_3").await;
    assert!(time < Duration::from_secs(3), "it took {time:?}");
}

#[tokio::test]
async fn a_silent_mas_is_given_up_in_time() {
    let fixture = Fixture::start().await;
    let half = ok(fixture.good().to_string().as_bytes());
    fixture.mas.answer("silent", Answer::Silence(Vec::new()));
    fixture.mas.answer("half-a-head", Answer::Silence(half[..20].to_vec()));
    fixture.mas.answer("half-a-body", Answer::Silence(half[..half.len() - 9].to_vec()));
    let tokens = ["silent", "silent", "half-a-head", "half-a-body"];
    let times = join_all(tokens.map(|token| expect_unavailable(&fixture, token))).await;
    assert!(times.iter().all(|time| *time < PATIENCE), "{times:?}");
    assert_eq!(fixture.mas.asked(), 3, "whoever waits for the same token waits for the same answer");
    fixture.let_in("silent");
    assert!(fixture.is_let_in("silent").await, "it is asked again as soon as it speaks");
}

#[tokio::test]
async fn a_silent_mas_keeps_nobody_waiting_whom_it_has_vouched_for_and_is_told_of_once() {
    let mas = Service::start().await;
    let yaml = mas_yaml(&format!("http://127.0.0.1:{}", mas.port()));
    let own = "key_backup_worker: {threads: 1, max_requests_in_flight: 2}";
    let fixture = Fixture::start_with(mas, &[&yaml, own]).await;
    fixture.let_in("mat_known");
    assert!(fixture.is_let_in("mat_known").await);
    let tokens: Vec<String> = (0..200).map(|number| format!("silent{number}")).collect();
    for token in &tokens {
        fixture.mas.answer(token, Answer::Silence(Vec::new()));
    }
    let silent = join_all(tokens.iter().map(|token| expect_unavailable(&fixture, token)));
    let known = async {
        while fixture.mas.asked() < 100 {
            sleep(Duration::from_millis(10)).await;
        }
        let started = Instant::now();
        assert!(fixture.is_let_in("mat_known").await);
        assert!(started.elapsed() < Duration::from_secs(3), "it took {:?}", started.elapsed());
    };
    let (times, ()) = join(silent, known).await;
    assert!(times.iter().all(|time| *time < PATIENCE), "{times:?}");
    assert!(fixture.mas.asked() < 150, "some are not even asked about: {}", fixture.mas.asked());
    let log = fixture.worker.log();
    assert_eq!(log.matches("cannot introspect an access token").count(), 1, "{log}");
}

#[tokio::test]
async fn a_connection_of_http2_that_has_died_is_replaced() {
    let mas = Service::start().await;
    let yaml = mas_yaml(&format!("http://127.0.0.1:{}", mas.port())).replace('}', ", force_http2: true}");
    let fixture = Fixture::start_with(mas, &[&yaml]).await;
    fixture.let_in("mat_1");
    assert!(fixture.is_let_in("mat_1").await);
    fixture.mas.answer("silent", Answer::Silence(Vec::new()));
    let time = expect_unavailable(&fixture, "silent").await;
    assert!(time < PATIENCE, "it took {time:?}");
    fixture.let_in("mat_2");
    let until_let_in = async {
        // The next question may still meet the connection at its last moment.
        while fixture.get("mat_2").await.status != 404 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(2), until_let_in).await.expect("questions go into a dead connection");
    assert_eq!(fixture.mas.connections(), 2);
}

#[tokio::test]
async fn nobody_listening_is_told_at_once_and_the_other_doors_stay_open() {
    let port = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap().port();
    let yaml = mas_yaml(&format!("http://127.0.0.1:{port}"));
    let fixture = Fixture::start_with(Service::start().await, &[&yaml]).await;
    let time = expect_unavailable(&fixture, "mat_1").await;
    assert!(time < Duration::from_secs(3), "it took {time:?}");
    assert_eq!(fixture.worker.client().get("/health").await.unwrap().status, 200);
    let log = fixture.worker.log();
    assert!(log.contains("cannot introspect an access token") && log.contains("refused"), "{log}");
}

#[tokio::test]
async fn a_redirect_does_not_carry_the_secret_away() {
    let fixture = Fixture::start().await;
    let elsewhere = Service::start().await;
    elsewhere.answer("mat_1", Answer::Json(fixture.good()));
    for status in ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let headers = format!("Location: http://127.0.0.1:{}/oauth2/introspect\r\n", elsewhere.port());
        fixture.mas.answer("mat_1", Answer::Bytes(response(status, &headers, b"")));
        expect_unavailable(&fixture, "mat_1").await;
    }
    assert_eq!((fixture.mas.asked(), elsewhere.connections()), (3, 0));
}
