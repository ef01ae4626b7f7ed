//! `doctor` and the Matrix Authentication Service.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
    time::Duration,
};

use crate::{
    grants::GENERAL,
    support::{Diagnosis, SECRET, Setup},
};

const CHECK: &str = "matrix_authentication_service";

/// What doctor finds where every question is answered so; nothing stands for silence.
async fn diagnosis(status: &'static str, body: &'static str) -> Diagnosis {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut question = Vec::new();
            while !question.ends_with(b"token_type_hint=access_token") {
                let mut bytes = [0; 1024];
                let length = stream.read(&mut bytes).unwrap();
                question.extend_from_slice(&bytes[..length]);
            }
            if status.is_empty() {
                thread::sleep(Duration::from_mins(1));
            }
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close", body.len());
            stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
        }
    });
    let yaml = format!(
        "{{matrix_authentication_service: {{enabled: true, endpoint: 'http://127.0.0.1:{port}/auth', secret: s3cret}},
           database: {{name: psycopg2, args: {{user: u, host: 127.0.0.1, port: 1}}}}}}"
    );
    let diagnosis = Setup::new(GENERAL).with(&yaml).doctor().await;
    assert!(!diagnosis.ended.stdout.contains(SECRET));
    diagnosis
}

#[tokio::test]
async fn a_service_that_refuses_a_token_that_nobody_has_is_well() {
    let diagnosis = diagnosis("200 OK", r#"{"active": false}"#).await;
    diagnosis.expect(CHECK, "ok", "/auth knows us");
}

#[tokio::test]
async fn every_other_answer_is_a_problem() {
    for (status, body, text) in [
        ("401 Unauthorized", "", "answered 401"),
        ("404 Not Found", "{}", "answered 404"),
        ("200 OK", "<html>", "no JSON object"),
        ("200 OK", "{}", "`active`"),
        (
            "200 OK",
            r#"{"active": true, "username": "u", "scope": "urn:matrix:client:api:*"}"#,
            "calls a token good that nobody has",
        ),
    ] {
        diagnosis(status, body).await.expect(CHECK, "problem", text);
    }
}

#[tokio::test]
async fn a_service_that_says_nothing_is_given_up() {
    let diagnosis = diagnosis("", "").await;
    diagnosis.expect(CHECK, "problem", "no answer from the Matrix Authentication Service");
    assert!(diagnosis.ended.time < Duration::from_secs(12), "{:?}", diagnosis.ended.time);
}
