//! What Prometheus scrapes.

use std::collections::BTreeMap;

use key_backup_testkit::http::{Client, Request};
use regex_lite::Regex;

use crate::{
    common::{VERSION, eventually, key, new_version, session_key},
    listening::Listening,
};

const METRICS: &str = "{type: metrics, port: 0, bind_addresses: [127.0.0.1]}";
const RESOURCE: &str =
    "{type: http, port: 0, bind_addresses: [127.0.0.1], resources: [{names: [client, metrics]}]}";

/// Every series by its name and its labels, which are sorted, from a text in Prometheus's format.
fn parse(text: &str) -> BTreeMap<String, String> {
    let series =
        Regex::new(r#"^([a-zA-Z_:][\w:]*)(\{(?:[a-zA-Z_]\w*="[^"\\]*",?)*\})? (-?[0-9.e+-]+|\+Inf|NaN)$"#)
            .unwrap();
    let mut all = BTreeMap::new();
    let mut family = String::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (kind, name) = (words.next().unwrap(), words.next().unwrap());
            match kind {
                "HELP" => name.clone_into(&mut family),
                "TYPE" => assert!(
                    family == name && ["counter", "gauge", "histogram"].contains(&words.next().unwrap())
                ),
                _ => panic!("{line}"),
            }
            continue;
        }
        let captures = series.captures(line).unwrap_or_else(|| panic!("no series: {line}"));
        assert!(captures[1].starts_with(&family), "{line} stands below {family}");
        assert!(captures[3].parse::<f64>().is_ok(), "no number: {line}");
        let labels = captures.get(2).map_or("", |labels| labels.as_str().trim_matches(['{', '}']));
        let mut labels: Vec<&str> = labels.split(',').collect();
        labels.sort_unstable();
        let name = format!("{}{{{}}}", &captures[1], labels.join(","));
        assert!(all.insert(name, captures[3].to_owned()).is_none(), "twice: {line}");
    }
    all
}

async fn scrape(client: &Client, path: &str) -> BTreeMap<String, String> {
    let response = client.get(path).await.unwrap();
    assert_eq!(response.status, 200, "{path}");
    assert_eq!(response.header("Content-Type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    parse(&response.text())
}

#[tokio::test]
async fn a_metrics_listener_answers_any_path_and_serves_nothing_else() {
    let listening = Listening::start(&[METRICS], "enable_metrics: true\n").await;
    for path in ["/_synapse/metrics", "/metrics", "/", "/any/thing?x=1", VERSION] {
        let series = scrape(&listening.client(0), path).await;
        assert_eq!(series[r#"synapse_server_name_info{server_name="example.com"}"#], "1", "{path}");
    }
    assert_eq!(listening.client(0).send(Request::new("POST", "/metrics")).await.unwrap().status, 405);
}

#[tokio::test]
async fn the_resource_metrics_is_served_even_where_metrics_are_off() {
    let listening = Listening::start(&[METRICS, RESOURCE], "enable_metrics: false\n").await;
    // The metrics listener is not opened, so that the first address is that of the other one.
    assert_eq!(listening.addresses().len(), 1);
    assert!(listening.worker.log().contains("a metrics listener is configured but not opened"));
    assert!(
        scrape(&listening.client(0), "/_synapse/metrics")
            .await
            .contains_key("process_resident_memory_bytes{}")
    );
    assert_eq!(listening.client(0).get("/metrics").await.unwrap().status, 404);
    assert_eq!(listening.client(0).get(VERSION).await.unwrap().status, 401);
    assert_eq!(listening.worker.client().get("/_synapse/metrics").await.unwrap().status, 404);
}

/// What two uploads of one key each and a GET of a key that is not there have counted.
const COUNTED: [(&str, &str); 8] = [
    ("synapse_http_server_requests_received_total{PUT}", "2"),
    ("synapse_http_server_in_flight_requests_count{PUT}", "0"),
    ("synapse_http_server_response_count_total{PUT,tag=\"\"}", "2"),
    ("synapse_http_server_response_db_txn_count_total{PUT,tag=\"\"}", "4"),
    ("synapse_http_server_response_size_total{PUT,tag=\"\"}", "44"),
    ("synapse_http_server_responses_total{code=\"404\",method=\"GET\",server_name=\"example.com\"}", "1"),
    (
        "synapse_storage_transaction_time_count_total{desc=\"add_e2e_room_keys\",server_name=\"example.com\"}",
        "2",
    ),
    ("synapse_storage_query_time_count{server_name=\"example.com\",verb=\"INSERT\"}", "3"),
];

#[tokio::test]
async fn requests_and_transactions_are_counted_under_synapses_names() {
    let listening = Listening::start(&[METRICS], "enable_metrics: true\n").await;
    let alice = listening.database.add_user("alice").await.unwrap();
    let client = listening.worker.client().as_user(&alice.access_token);
    new_version(&client).await;
    for session in ["a", "b"] {
        let response = client.put(&session_key("1", "!r", session), &key(0, 0, false)).await.unwrap();
        assert_eq!(response.body.len(), 22);
    }
    assert_eq!(client.get(&session_key("1", "!r", "nobody")).await.unwrap().status, 404);
    let put = "method=\"PUT\",server_name=\"example.com\",servlet=\"RoomKeysServlet\"";
    let expected: Vec<(String, &str)> =
        COUNTED.iter().map(|(name, value)| (name.replace("PUT", put), *value)).collect();
    // A request is counted when its answer has left, which its client may see a moment before.
    let mut series = BTreeMap::new();
    eventually("the count of the last request", async || {
        series = scrape(&listening.client(0), "/metrics").await;
        series.get(&expected[5].0).is_some_and(|count| count == "1")
    })
    .await;
    for (name, value) in expected {
        assert_eq!(series.get(&name).map(String::as_str), Some(value), "{name}");
    }
    for part in ["ru_utime", "ru_stime", "db_txn_duration", "db_sched_duration"] {
        let name = format!("synapse_http_server_response_{part}_seconds_total{{{put},tag=\"\"}}");
        assert!(series.contains_key(&name), "{name}");
    }
}

#[tokio::test]
async fn every_series_but_those_of_the_process_has_the_label_server_name() {
    let listening = Listening::start(&[METRICS], "enable_metrics: true\n").await;
    listening.worker.client().get(VERSION).await.unwrap();
    let series = scrape(&listening.client(0), "/metrics").await;
    for name in series.keys() {
        let of_the_process = name.starts_with("process_") || name.contains("_build_info{");
        assert_eq!(name.contains(r#"server_name="example.com""#), !of_the_process, "{name}");
    }
    // Without these the stock dashboard cannot pick the worker.
    let block = "synapse_util_metrics_block_ru_utime_seconds_total{block_name=";
    for start in [block, "process_cpu_seconds_total", "process_open_fds", "process_start_time_seconds"] {
        assert!(series.keys().any(|name| name.starts_with(start)), "{start}");
    }
}

#[tokio::test]
async fn histograms_have_pythons_buckets() {
    let listening = Listening::start(&[METRICS], "enable_metrics: true\n").await;
    listening.worker.client().get(VERSION).await.unwrap();
    let text = listening.client(0).get("/").await.unwrap().text();
    let bounds: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("synapse_http_server_response_time_seconds_bucket{"))
        .filter(|line| line.contains(r#"servlet="RoomKeysNewVersionServlet""#))
        .map(|line| line.split("le=\"").nth(1).unwrap().split('"').next().unwrap())
        .collect();
    let python = "0.005 0.01 0.025 0.05 0.075 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10 +Inf";
    assert_eq!(bounds.join(" "), python);
}

#[tokio::test]
async fn methods_that_clients_invent_make_no_new_series() {
    let listening = Listening::start(&[METRICS, RESOURCE], "enable_metrics: true\n").await;
    for method in ["FOO1", "FOO2"] {
        assert_eq!(listening.client(1).send(Request::new(method, VERSION)).await.unwrap().status, 405);
    }
    eventually("both are counted", async || {
        let series = scrape(&listening.client(0), "/metrics").await;
        assert!(!series.keys().any(|name| name.contains("FOO")));
        let answered =
            r#"synapse_http_server_responses_total{code="405",method="other",server_name="example.com"}"#;
        series.get(answered).is_some_and(|count| count == "2")
    })
    .await;
}
