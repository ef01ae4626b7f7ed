//! Paths and query strings that no client makes.

use key_backup_testkit::http::Request;

use crate::support::{Fixture, ROOM_KEYS, assert_refused};

#[tokio::test]
async fn no_target_is_a_server_error() {
    let fixture = Fixture::start().await;
    let many = "version=1&".repeat(5_000);
    for rest in [
        "keys?version=%00",
        "keys?version=99999999999999999999",
        "keys?version=-1",
        "keys?version=1%00",
        "keys?version=%ff",
        "keys?version=1'%20OR%20'1'='1",
        "keys?version[]=1",
        "keys?user_id=%ff&version=1",
        "keys?version=1&device_id=%00&user_id=%00",
        "keys/%00?version=1",
        "keys/%00/%00?version=1",
        "keys/%ED%A0%80/%F4%90%80%80?version=1",
        "keys/..%2f..%2fetc%2fpasswd?version=1",
        "keys/%25%32%46?version=1",
        "keys/a%0d%0aX-Injected:%20y?version=1",
        "version/%00",
        "version/1%0d%0aX:y",
        "version/9223372036854775807",
        "version/%F0%9F%98%80",
        &format!("keys?{many}"),
        &format!("keys?{}", "&;=".repeat(10_000)),
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let request = Request::new(method, &format!("{ROOM_KEYS}/{rest}")).body("{}");
            let answer = fixture.as_alice().send(request).await.unwrap();
            assert!(answer.status < 500, "{method} {rest}: {} {}", answer.status, answer.text());
            assert_eq!(answer.header("X-Injected"), None);
        }
    }
    fixture.is_well().await;
}

#[tokio::test]
async fn no_token_is_a_server_error() {
    let fixture = Fixture::start().await;
    let target = format!("{ROOM_KEYS}/version");
    let long = "x".repeat(60_000);
    let packets = "MDA".repeat(10_000);
    for token in ["", "\u{1}", "'; DROP TABLE access_tokens; --", &long, &packets, "%00", "null", "é", "\t"]
    {
        let mut request = Request::new("GET", &target).header("Authorization", format!("Bearer {token}"));
        let answer = fixture.worker.client().send(request).await;
        // A header cannot hold control characters: then there is only HTTP's own 400.
        let status = answer.unwrap().status;
        assert!([400, 401].contains(&status), "{token:?}: {status}");
        request = Request::new("GET", &format!("{target}?access_token=%00%ff{}", token.len()));
        assert_refused(&fixture.worker.client().send(request).await.unwrap(), 401, "M_UNKNOWN_TOKEN");
    }
    fixture.is_well().await;
}
