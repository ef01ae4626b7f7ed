//! How often MAS is asked.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::{fixture::Fixture, service::Answer};

#[tokio::test]
async fn a_good_token_is_asked_about_once() {
    let fixture = Fixture::start().await;
    fixture.let_in("mat_1");
    for _ in 0..5 {
        assert!(fixture.is_let_in("mat_1").await);
    }
    assert_eq!(fixture.mas.asked(), 1);
}

#[tokio::test]
async fn a_refusal_is_forgotten_at_once() {
    let fixture = Fixture::start().await;
    assert!(!fixture.is_let_in("mat_1").await);
    fixture.let_in("mat_1");
    assert!(fixture.is_let_in("mat_1").await);
    for unfit in [json!({ "username": "nobody" }), json!({ "username": "\0" }), json!({ "device_id": "" })] {
        fixture.mas.answer("mat_2", Answer::Json(fixture.good_but(&unfit)));
        assert_eq!(fixture.get("mat_2").await.status, 500, "{unfit}");
    }
    fixture.let_in("mat_2");
    assert!(fixture.is_let_in("mat_2").await);
}

#[tokio::test]
async fn an_answer_is_good_until_the_token_expires() {
    let fixture = Fixture::start().await;
    fixture.mas.answer("mat_1", Answer::Json(fixture.good_but(&json!({ "expires_in": 1 }))));
    assert!(fixture.is_let_in("mat_1").await);
    assert!(fixture.is_let_in("mat_1").await);
    fixture.mas.answer("mat_1", Answer::Json(json!({ "active": false })));
    sleep(Duration::from_millis(1050)).await;
    assert!(!fixture.is_let_in("mat_1").await);
    assert_eq!(fixture.mas.asked(), 2);
}

#[tokio::test]
async fn an_answer_after_an_expired_one_is_remembered_for_its_own_time() {
    let fixture = Fixture::start().await;
    fixture.mas.answer("mat_1", Answer::Json(fixture.good_but(&json!({ "expires_in": 1 }))));
    assert!(fixture.is_let_in("mat_1").await);
    sleep(Duration::from_millis(1050)).await;
    fixture.let_in("mat_1");
    for _ in 0..5 {
        assert!(fixture.is_let_in("mat_1").await);
    }
    assert_eq!(fixture.mas.asked(), 2);
}

#[tokio::test]
async fn however_many_ask_about_a_token_mas_is_asked_once() {
    let fixture = Fixture::start().await;
    let answer = |good| Answer::Later(Duration::from_millis(500), good);
    fixture.mas.answer("mat_1", answer(fixture.good()));
    let let_in = join_all((0..20).map(|_| fixture.is_let_in("mat_1"))).await;
    assert_eq!((let_in.iter().filter(|let_in| **let_in).count(), fixture.mas.asked()), (20, 1));
    fixture.mas.answer("mat_2", answer(json!({ "active": false })));
    let let_in = join_all((0..20).map(|_| fixture.is_let_in("mat_2"))).await;
    assert_eq!((let_in.iter().filter(|let_in| **let_in).count(), fixture.mas.asked()), (0, 2));
}

#[tokio::test]
async fn one_question_does_not_wait_for_another_tokens() {
    let fixture = Fixture::start().await;
    fixture.mas.answer("slow", Answer::Later(Duration::from_secs(2), fixture.good()));
    fixture.let_in("quick");
    let quick = async {
        sleep(Duration::from_millis(200)).await;
        timeout(Duration::from_secs(1), fixture.is_let_in("quick")).await
    };
    let (slow, quick) = tokio::join!(fixture.is_let_in("slow"), quick);
    assert!(slow && quick.unwrap());
}

#[tokio::test]
async fn a_client_who_leaves_does_not_take_the_question_along() {
    let fixture = Fixture::start().await;
    fixture.mas.answer("mat_1", Answer::Later(Duration::from_secs(1), fixture.good()));
    let left = timeout(Duration::from_millis(300), fixture.get("mat_1")).await;
    assert!(left.is_err());
    assert!(fixture.is_let_in("mat_1").await);
    assert_eq!(fixture.mas.asked(), 1);
}
