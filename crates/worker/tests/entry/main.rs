//! Everyone whom Synapse lets in, and nobody else: each way of entering, tried on a real Synapse's generic worker and on this worker.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod deployment;
mod macaroons;

use std::time::Duration;

use key_backup_testkit::http::Response;
use serde_json::json;

use deployment::Deployment;

/// Who comes, with which token and query.
type Visit = (&'static str, String, &'static str);

#[tokio::test]
async fn synapse_and_the_worker_let_in_the_same_people() {
    let deployment = Deployment::start().await;
    let visits =
        [users(&deployment).await, guests(&deployment).await, appservices(&deployment).await].concat();
    let mut differences = Vec::new();
    for (who, token, query) in &visits {
        let (theirs, ours) = deployment.both(token, query).await;
        println!("{who}: {} {}", ours.status, ours.text());
        if outcome(&theirs) != outcome(&ours) {
            differences.push(format!(
                "{who}\n  Synapse: {}\n  worker:  {}",
                describe(&theirs),
                describe(&ours)
            ));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    // The one known difference: Synapse fails on a device of a sender.
    let (theirs, ours) = deployment.both("bridge_as_token", "?device_id=NONE").await;
    assert_eq!((theirs.status, ours.status), (500, 400), "{}", ours.text());
}

#[tokio::test]
async fn the_first_use_of_a_refreshed_token_ends_the_refresh_token_before_it() {
    let deployment = Deployment::start().await;
    deployment.synapse.register("refresher").await.unwrap();
    let login = deployment.login("refresher", true).await;
    assert_eq!(deployment.refresh(&login["refresh_token"]).await.status, 200);
    // Until a new token is used, the old refresh token may be used again: the answer may have been lost.
    let renewed = deployment.refresh(&login["refresh_token"]).await.json().unwrap();
    let token = renewed["access_token"].as_str().unwrap();
    assert_eq!(deployment.ours(token, "").await.status, 404, "no backup, but let in");
    assert_eq!(deployment.ours(token, "").await.status, 404);
    assert_eq!(deployment.used(token).await, Some(true));
    assert_ne!(deployment.refresh(&login["refresh_token"]).await.status, 200);
    // The token's life is two seconds.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let expired = deployment.ours(token, "").await;
    let error =
        json!({ "errcode": "M_UNKNOWN_TOKEN", "error": "Access token has expired", "soft_logout": true });
    assert_eq!((expired.status, expired.json().unwrap()), (401, error));
}

#[tokio::test]
async fn application_services_are_read_again_on_sighup() {
    let deployment = Deployment::start().await;
    assert_eq!(deployment.ours("late_as_token", "").await.status, 401);
    deployment.add_appservice("late", "late_as_token");
    deployment.hang_up().await;
    assert_eq!(deployment.ours("late_as_token", "").await.status, 404, "no backup, but let in");
    deployment.break_appservice("late");
    deployment.hang_up().await;
    assert_eq!(deployment.ours("late_as_token", "").await.status, 404, "a broken file changes nothing");
}

#[tokio::test]
async fn a_puppeteer_counts_as_seen_and_with_track_puppeted_user_ips_the_puppet_too() {
    let deployment = Deployment::start().await;
    let admin = deployment.synapse.register_administrator("boss").await.unwrap();
    let puppet = deployment.synapse.register("puppet").await.unwrap();
    let token = deployment.puppet_token(&admin, &puppet.user_id).await;
    assert_eq!(deployment.ours(&token, "").await.status, 404);
    deployment.until_seen(&admin.user_id, &token).await;
    deployment.until_seen(&puppet.user_id, &token).await;
}

/// Users with tokens of Synapse's own, in every standing.
async fn users(deployment: &Deployment) -> Vec<Visit> {
    let synapse = &deployment.synapse;
    let admin = synapse.register_administrator("admin").await.unwrap();
    let [alice, locked, expired, suspended, gone] = ["alice", "locked", "expired", "suspended", "gone"]
        .map(|name| async move { synapse.register(name).await.unwrap() });
    let (alice, locked, expired, suspended, gone) =
        (alice.await, locked.await, expired.await, suspended.await, gone.await);
    deployment
        .admin_put(
            &admin,
            &format!("/_synapse/admin/v2/users/{}", locked.user_id),
            &json!({ "locked": true }),
        )
        .await;
    let suspend = format!("/_synapse/admin/v1/suspend/{}", suspended.user_id);
    deployment.admin_put(&admin, &suspend, &json!({ "suspend": true })).await;
    deployment.expire_account(&admin, &expired.user_id).await;
    deployment.log_out(&gone).await;
    let puppet = deployment.puppet_token(&admin, &alice.user_id).await;
    vec![
        ("a user", alice.access_token.clone(), ""),
        (
            "a user whose query means an application service's",
            alice.access_token,
            "?user_id=@other:x&device_id=NONE",
        ),
        ("an admin as another user", puppet, ""),
        ("a locked user", locked.access_token, ""),
        ("a suspended user", suspended.access_token, ""),
        ("a user whose account has expired", expired.access_token, ""),
        ("a user who has logged out", gone.access_token, ""),
        ("a stranger", "syt_nobody".to_owned(), ""),
    ]
}

/// Guests with tokens that no table holds.
async fn guests(deployment: &Deployment) -> Vec<Visit> {
    deployment.synapse.register("member").await.unwrap();
    let guest = deployment.register_guest().await;
    let of =
        |user: &str, more: &[&str], secret: &str| macaroons::mint(deployment.python(), user, more, secret);
    let (id, token) = (guest["user_id"].as_str().unwrap(), guest["access_token"].as_str().unwrap());
    let swapped = token.chars().rev().collect();
    vec![
        ("a guest", token.to_owned(), ""),
        ("a guest with padding behind the token", format!("{token}=="), ""),
        ("a guest's token backwards", swapped, ""),
        ("a guest's token made by somebody else", of(id, &["guest = true"], "wrong"), ""),
        ("a guest's token made by us", of(id, &["guest = true"], "macaroon"), ""),
        ("a macaroon that is no guest's", of(id, &[], "macaroon"), ""),
        (
            "a guest's token for a user who doesn't exist",
            of("@nobody:example.com", &["guest = true"], "macaroon"),
            "",
        ),
        ("a guest's token for a member", of("@member:example.com", &["guest = true"], "macaroon"), ""),
        ("a guest's token that is over", of(id, &["guest = true", "time < 1000"], "macaroon"), ""),
        (
            "a guest's token that is not over",
            of(id, &["guest = true", "time < 99999999999999"], "macaroon"),
            "",
        ),
        ("a guest's token with a condition nobody knows", of(id, &["guest = true", "x = y"], "macaroon"), ""),
        ("a guest's token for two users", of(id, &["guest = true", "user_id = @x:y"], "macaroon"), ""),
    ]
}

/// Application services and whom they act for.
const APPSERVICES: [(&str, &str, &str); 16] = [
    ("a bridge for itself", "bridge_as_token", ""),
    ("a bridge for itself by name", "bridge_as_token", "?user_id=@bridge:example.com"),
    ("a bridge for its user", "bridge_as_token", "?user_id=@bridge_a:example.com"),
    ("a bridge for its user, encoded", "bridge_as_token", "?user_id=%40bridge_a%3Aexample.com"),
    ("a bridge for the first of two users", "bridge_as_token", "?user_id=@bridge_a:example.com&user_id=@x:y"),
    ("a bridge for a user who is not registered", "bridge_as_token", "?user_id=@bridge_b:example.com"),
    (
        "a bridge for a user of a namespace that is bound to no end",
        "bridge_as_token",
        "?user_id=@bridge_a:example.community",
    ),
    ("a bridge for somebody else", "bridge_as_token", "?user_id=@elsewhere:example.com"),
    ("a bridge for nobody", "bridge_as_token", "?user_id="),
    ("a bridge for a device", "bridge_as_token", "?user_id=@bridge_a:example.com&device_id=BRIDGE"),
    ("a bridge for a device that isn't", "bridge_as_token", "?user_id=@bridge_a:example.com&device_id=NONE"),
    ("a bridge for a device without a name", "bridge_as_token", "?user_id=@bridge_a:example.com&device_id="),
    ("a bridge with a Pythonic expression", "python_as_token", "?user_id=@elsewhere:example.com"),
    ("a bridge whose expression looks ahead", "python_as_token", "?user_id=@bridge_a:example.com"),
    ("a bridge from the right address", "here_as_token", ""),
    ("a bridge from the wrong address", "away_as_token", ""),
];

async fn appservices(deployment: &Deployment) -> Vec<Visit> {
    deployment.synapse.register("bridge_a").await.unwrap();
    deployment.synapse.register("elsewhere").await.unwrap();
    deployment.add_device("@bridge_a:example.com", "BRIDGE").await;
    APPSERVICES.map(|(who, token, query)| (who, token.to_owned(), query)).to_vec()
}

fn outcome(response: &Response) -> (u16, serde_json::Value) {
    (response.status, response.json().unwrap_or_default())
}

fn describe(response: &Response) -> String {
    format!("{} {}", response.status, response.text())
}
