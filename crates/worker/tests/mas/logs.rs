//! What must not be in the log, at no level.

use key_backup_testkit::temporary_folder;
use serde_json::json;

use crate::{
    fixture::{Fixture, SECRET, mas_yaml},
    service::{Answer, Service, ok, response},
};

/// Runs into everything that is logged, with everything logged.
async fn log_of_everything(force_http2: bool) -> String {
    let folder = temporary_folder().unwrap();
    let file = folder.path().join("log.yaml");
    std::fs::write(&file, "version: 1\nroot: {level: NOTSET}\n").unwrap();
    let mas = Service::start().await;
    let yaml = mas_yaml(&format!("http://127.0.0.1:{}", mas.port()));
    let yaml = yaml.replace('}', &format!(", force_http2: {force_http2}}}"));
    let log_config = format!("worker_log_config: '{}'", file.display());
    let fixture = Fixture::start_with(mas, &[&yaml, &log_config]).await;
    fixture.let_in("mat_t0ken_good");
    fixture.get("mat_t0ken_good").await;
    fixture.get("mat_t0ken_refused").await;
    let nobody = fixture.good_but(&json!({ "username": "n0body" }));
    fixture.mas.answer("mat_t0ken_nobody", Answer::Json(nobody));
    fixture.get("mat_t0ken_nobody").await;
    let wrong = fixture.good_but(&json!({ "username": ["t0ken"] }));
    fixture.mas.answer("mat_t0ken_wrong", Answer::Json(wrong));
    fixture.get("mat_t0ken_wrong").await;
    if !force_http2 {
        fixture.mas.answer("mat_t0ken_failed", Answer::Bytes(response("500 t0ken", "", b"t0ken")));
        fixture.get("mat_t0ken_failed").await;
        fixture.mas.answer("mat_t0ken_text", Answer::Bytes(ok(b"\"t0ken\"")));
        fixture.get("mat_t0ken_text").await;
    }
    fixture.worker.stop().await.unwrap().log
}

#[tokio::test]
async fn neither_the_secret_nor_a_token_is_logged_at_any_level() {
    for force_http2 in [false, true] {
        let log = log_of_everything(force_http2).await;
        assert!(log.contains("DEBUG") && log.contains("cannot introspect an access token"), "{log}");
        for secret in [SECRET, "t0ken"] {
            let line = log.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "force_http2: {force_http2}");
        }
    }
}
