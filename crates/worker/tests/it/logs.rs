//! The request log: Synapse's line, its JSON form, and what must never be in either.

use std::fs;

use key_backup_testkit::{
    TestDatabase, Worker,
    http::{Client, Request},
    temporary_folder,
};
use regex_lite::Regex;
use serde_json::{Value, json};

use crate::common::{Fixture, VERSION, binary, eventually, key, keys, new_version, session_key};

/// The lines of the request log that hold this, once there are so many.
async fn lines(worker: &Worker, with: &str, count: usize) -> Vec<String> {
    let mut found = Vec::new();
    eventually(&format!("{count} lines with {with}"), async || {
        let log = worker.log();
        let matching = log.lines().filter(|line| line.contains("Processed request") && line.contains(with));
        found = matching.map(str::to_owned).collect();
        found.len() >= count
    })
    .await;
    found
}

/// What can be parsed of Synapse's line; the groups are requester, bytes, status, target, user agent, and what follows.
fn synapse_line() -> Regex {
    Regex::new(concat!(
        r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - synapse\.access\.http\.\d+ - \d+ - INFO - [A-Z]+-\d+ - ",
        r"127\.0\.0\.1 - \d+ - \{([^}]*)\} Processed request: \d+\.\d{3}sec/\d+\.\d{3}sec ",
        r"ru=\(\d+\.\d{3}sec, \d+\.\d{3}sec\) db=\(\d+\.\d{3}sec/\d+\.\d{3}sec/\d+\) (\d+)B (\d{3}!?) ",
        r#""[A-Z]+ (\S+) HTTP/1\.[01]" "([^"]*)" \[0 dbevts\](.*)$"#
    ))
    .unwrap()
}

#[tokio::test]
async fn each_request_is_one_line_in_synapses_format() {
    let fixture = Fixture::start().await;
    let anonymous = fixture.worker.client().get(VERSION).await.unwrap();
    let request = Request::new("GET", VERSION).header("User-Agent", "Element/1.11 (test)");
    let known = fixture.as_alice().send(request).await.unwrap();
    let all = lines(&fixture.worker, VERSION, 2).await;
    let anonymous_line = synapse_line().captures(&all[0]).unwrap_or_else(|| panic!("{}", all[0]));
    let expected = ["None", &anonymous.body.len().to_string(), "401", VERSION, "-", ""];
    assert_eq!(std::array::from_fn(|group| &anonymous_line[group + 1]), expected);
    let known_line = synapse_line().captures(&all[1]).unwrap_or_else(|| panic!("{}", all[1]));
    let expected =
        [&*fixture.alice.user_id, &known.body.len().to_string(), "404", VERSION, "Element/1.11 (test)", ""];
    assert_eq!(std::array::from_fn(|group| &known_line[group + 1]), expected);
    assert_eq!(all.len(), 2);
}

#[tokio::test]
async fn what_happened_to_keys_follows_synapses_fields() {
    let fixture = Fixture::start().await;
    let version = fixture.new_version().await;
    let client = fixture.as_alice();
    let upload = |keys: Value| json!({ "rooms": { "!r": { "sessions": keys } } });
    let first = upload(json!({ "a": key(1, 0, false), "b": key(1, 0, false) }));
    let second = upload(json!({ "a": key(0, 0, false), "b": key(2, 0, false), "c": key(0, 0, false) }));
    client.put(&keys(&version), &first).await.unwrap();
    client.put(&keys(&version), &second).await.unwrap();
    client.get(&keys(&version)).await.unwrap();
    client.get(&session_key(&version, "!r", "a")).await.unwrap();
    client.delete(&session_key(&version, "!r", "a")).await.unwrap();
    let expected = [
        " keys_in=2 keys_added=2 keys_replaced=0",
        " keys_in=3 keys_added=1 keys_replaced=1",
        " rows_out=3",
        " rows_out=1",
        " keys_deleted=1",
    ];
    for (line, extra) in lines(&fixture.worker, "/room_keys/keys", 5).await.iter().zip(expected) {
        let captures = synapse_line().captures(line).unwrap_or_else(|| panic!("{line}"));
        assert_eq!(&captures[6], extra, "{line}");
    }
}

#[tokio::test]
async fn a_puppet_and_who_pulls_its_strings_are_both_named() {
    let fixture = Fixture::with("key_backup_worker: {log_format: json}\n").await;
    let admin = fixture.database.add_user("admin").await.unwrap();
    let token = fixture.database.add_puppet_token(&admin.user_id, &fixture.alice.user_id).await.unwrap();
    fixture.worker.client().as_user(&token).get(VERSION).await.unwrap();
    let line = lines(&fixture.worker, VERSION, 1).await.remove(0);
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["requester"], "@alice:example.com");
    assert_eq!(line["authenticated_entity"], "@admin:example.com");
    let text = line["log"].as_str().unwrap();
    assert!(text.contains(" {@admin:example.com|@alice:example.com} "), "{text}");
}

#[tokio::test]
async fn in_json_the_fields_have_synapses_names() {
    let fixture = Fixture::with("key_backup_worker: {log_format: json}\n").await;
    let version = fixture.new_version().await;
    let path = session_key(&version, "!r", "s");
    let request = Request::new("PUT", &path).header("User-Agent", "test").json(&key(0, 0, false));
    fixture.as_alice().send(request).await.unwrap();
    let line = lines(&fixture.worker, &path, 1).await.remove(0);
    for line in fixture.worker.log().lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
    let line: Value = serde_json::from_str(&line).unwrap();
    let port = line["site_tag"].as_str().unwrap();
    for (name, value) in [
        ("namespace", json!(format!("synapse.access.http.{port}"))),
        ("level", json!("INFO")),
        ("ip_address", json!("127.0.0.1")),
        ("requester", json!("@alice:example.com")),
        ("authenticated_entity", Value::Null),
        ("method", json!("PUT")),
        ("url", json!(path)),
        ("protocol", json!("HTTP/1.1")),
        ("user_agent", json!("test")),
        ("server_name", json!("example.com")),
        ("status", json!(200)),
        ("keys_in", json!(1)),
        ("keys_added", json!(1)),
        ("keys_replaced", json!(0)),
    ] {
        assert_eq!(line[name], value, "{name} in {line}");
    }
    assert!(line["time"].as_f64().unwrap() > 1.7e9);
    assert!(line["request"].as_str().unwrap().starts_with("PUT-"));
    assert!(line["log"].as_str().unwrap().contains("Processed request: "));
}

/// Requests that carry the token in every way there is, and that fail in many.
async fn use_token(client: &Client, token: &str) {
    let in_query = format!("{VERSION}?access_token={token}");
    let odd = format!("{VERSION}?a=b;%61ccess_token={token}&access_token={token}&c");
    let upload = format!("{}&access_token={token}", keys("1"));
    let unknown = format!("/nowhere?access_token={token}");
    for request in [
        Request::new("GET", &in_query),
        Request::new("GET", &odd),
        Request::new("GET", VERSION).bearer(token),
        Request::new("GET", &in_query).bearer(token),
        Request::new("GET", VERSION).header("Authorization", token),
        Request::new("OPTIONS", &in_query),
        Request::new("PUT", &upload).body("{"),
        Request::new("PUT", &upload).body(r#"{"rooms":1}"#),
        Request::new("GET", &unknown),
    ] {
        client.send(request).await.unwrap();
    }
}

/// All that a worker logs, down to DEBUG, while a user's token is used in every way, first well and then without its table.
async fn debug_log(database: &TestDatabase, database_yaml: &str, format: &str, token: &str) -> String {
    let folder = temporary_folder().unwrap();
    let log_config = folder.path().join("log.yaml");
    fs::write(&log_config, "version: 1\nroot: {level: DEBUG}\n").unwrap();
    let yaml = format!(
        "worker_log_config: \"{}\"\nkey_backup_worker: {{log_format: {format}}}\n",
        log_config.display()
    );
    let configure = Worker::configure(binary()).database(database).yaml(database_yaml).yaml(&yaml);
    let worker = configure.start().await.unwrap();
    new_version(&worker.client().as_user(token)).await;
    use_token(&worker.client(), token).await;
    let sql = async |sql: &str| database.connect().await.unwrap().batch_execute(sql).await.unwrap();
    sql("ALTER TABLE access_tokens RENAME TO gone").await;
    use_token(&worker.client(), token).await;
    sql("ALTER TABLE gone RENAME TO access_tokens").await;
    worker.stop().await.unwrap().log
}

#[tokio::test]
async fn no_secret_is_in_any_line_even_at_debug() {
    let database = TestDatabase::create().await.unwrap();
    let password = "s3cr3t-password";
    let with_password = format!("    password: {password}\n    user: ");
    let database_yaml = database.database_yaml().replace("    user: ", &with_password);
    for format in ["text", "json"] {
        let alice = database.add_user(format).await.unwrap();
        let log = debug_log(&database, &database_yaml, format, &alice.access_token).await;
        for part in ["DEBUG", "INFO", "ERROR", "access_token=<redacted>"] {
            assert!(log.contains(part), "no {part} in\n{log}");
        }
        for secret in [&*alice.access_token, password] {
            assert!(!log.contains(secret), "{secret} is in\n{log}");
        }
    }
}
