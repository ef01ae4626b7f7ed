//! What MAS is asked, byte for byte, and how it is reached.

use key_backup_testkit::http::Request;

use crate::{
    fixture::{Fixture, SECRET, VERSION, mas_yaml},
    service::{Answer, Service},
};

/// The headers of a question, without the request line, in the alphabet's order.
fn headers(head: &str) -> Vec<String> {
    let mut headers: Vec<String> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| format!("{}: {value}", name.to_lowercase()))
        .collect();
    headers.sort();
    headers
}

#[tokio::test]
async fn the_question_has_exactly_these_headers_and_this_body() {
    let fixture = Fixture::start().await;
    fixture.let_in("mat_1");
    assert!(fixture.is_let_in("mat_1").await);
    let questions = fixture.mas.questions();
    assert_eq!(questions.len(), 1);
    assert!(questions[0].head.starts_with("POST /oauth2/introspect HTTP/1.1\r\n"), "{}", questions[0].head);
    assert_eq!(questions[0].body, "token=mat_1&token_type_hint=access_token");
    let expected = [
        "accept: application/json".to_owned(),
        format!("authorization: Bearer {SECRET}"),
        "content-length: 40".to_owned(),
        "content-type: application/x-www-form-urlencoded".to_owned(),
        format!("host: 127.0.0.1:{}", fixture.mas.port()),
        format!("user-agent: key-backup-worker/{}", env!("CARGO_PKG_VERSION")),
        "x-mas-supports-device-id: 1".to_owned(),
    ];
    assert_eq!(headers(&questions[0].head), expected);
}

#[tokio::test]
async fn a_token_of_any_characters_is_form_encoded() {
    let fixture = Fixture::start().await;
    fixture.mas.answer("a%26b%3D%2B%2F%25%22", Answer::Json(fixture.good()));
    assert!(fixture.is_let_in("a&b=+/%\"").await);
    assert_eq!(fixture.mas.questions()[0].body, "token=a%26b%3D%2B%2F%25%22&token_type_hint=access_token");
}

#[tokio::test]
async fn an_endpoint_may_have_a_path_and_trailing_slashes() {
    for (path, target) in [
        ("/", "POST /oauth2/introspect HTTP/1.1"),
        ("/auth", "POST /auth/oauth2/introspect HTTP/1.1"),
        ("/a%20b/auth//", "POST /a%20b/auth/oauth2/introspect HTTP/1.1"),
    ] {
        let mas = Service::start().await;
        let yaml = mas_yaml(&format!("http://127.0.0.1:{}{path}", mas.port()));
        let fixture = Fixture::start_with(mas, &[&yaml]).await;
        fixture.get("mat_1").await;
        assert_eq!(fixture.mas.questions()[0].head.lines().next(), Some(target));
    }
}

#[tokio::test]
async fn requests_without_a_usable_token_never_reach_mas() {
    let fixture = Fixture::start().await;
    let client = fixture.worker.client();
    for request in [
        Request::new("GET", VERSION),
        Request::new("GET", VERSION).header("Authorization", "Basic a"),
        Request::new("GET", VERSION).bearer("a").bearer("b"),
        Request::new("GET", VERSION).header("Authorization", b"Bearer \xc3\xa9"),
        Request::new("GET", "/_matrix/client/v3/room_keys/nothing").bearer("a"),
        Request::new("OPTIONS", VERSION).bearer("a"),
    ] {
        let status = client.send(request).await.unwrap().status;
        assert!([401, 404, 204].contains(&status), "{status}");
    }
    assert_eq!(fixture.mas.asked(), 0);
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let fixture = Fixture::start().await;
    for number in 0..10 {
        let token = format!("mat_{number}");
        fixture.let_in(&token);
        assert!(fixture.is_let_in(&token).await);
    }
    assert_eq!((fixture.mas.asked(), fixture.mas.connections()), (10, 1));
}

#[tokio::test]
async fn force_http2_speaks_http2_from_the_first_byte() {
    let mas = Service::start().await;
    let yaml = mas_yaml(&format!("http://127.0.0.1:{}", mas.port())).replace('}', ", force_http2: true}");
    let fixture = Fixture::start_with(mas, &[&yaml]).await;
    fixture.let_in("mat_1");
    assert!(fixture.is_let_in("mat_1").await);
    assert!(!fixture.is_let_in("mat_2").await);
    let questions = fixture.mas.questions();
    let target = format!("HTTP/2.0 POST http://127.0.0.1:{}/oauth2/introspect", fixture.mas.port());
    assert_eq!(questions[0].head, target);
    assert_eq!(questions[0].body, "token=mat_1&token_type_hint=access_token");
    assert_eq!(fixture.mas.connections(), 1);
}

#[tokio::test]
async fn the_proxy_of_the_environment_is_used_as_by_synapse() {
    let proxy = Service::start().await;
    let url = format!("http://127.0.0.1:{}", proxy.port());
    let fixture = Fixture::configured(proxy, |worker| {
        worker.yaml(&mas_yaml("http://mas.test:8080")).environment("http_proxy", url)
    })
    .await;
    fixture.let_in("mat_1");
    assert!(fixture.is_let_in("mat_1").await);
    let head = &fixture.mas.questions()[0].head;
    assert!(head.starts_with("POST http://mas.test:8080/oauth2/introspect HTTP/1.1\r\n"), "{head}");
}

#[tokio::test]
async fn the_time_of_each_answer_is_measured_by_its_status() {
    let fixture = Fixture::start().await;
    fixture.let_in("mat_1");
    fixture.mas.answer("mat_2", Answer::Bytes(crate::service::response("502 Bad Gateway", "", b"")));
    fixture.mas.answer("mat_3", Answer::Bytes(Vec::new()));
    for token in ["mat_1", "mat_1", "mat_2", "mat_3", "mat_4"] {
        fixture.get(token).await;
    }
    for (code, count) in [("200", 2.0), ("502", 1.0), ("ERR", 1.0)] {
        let name = "synapse_api_auth_delegated_introspection_response_count";
        let series = format!("{name}{{code=\"{code}\",server_name=\"example.com\"}}");
        assert!((fixture.metric(&series).await - count).abs() < 0.1, "{series}");
    }
}
