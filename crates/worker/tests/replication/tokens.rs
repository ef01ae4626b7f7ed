//! Only Synapse decides who may enter: on a real one, with every way to Redis broken in turn.

use std::time::Duration;

use anyhow::Result;
use key_backup_testkit::{Account, services::Synapse};
use serde_json::json;
use tokio::time::sleep;

use crate::{
    backup::until,
    deployment::{Deployment, ONE_SECOND},
    setup::subscribed,
};

const UNKNOWN: &str = "M_UNKNOWN_TOKEN";

/// A login that the worker remembers.
async fn remembered(deployment: &Deployment, of: &Account) -> Result<Account> {
    let login = deployment.log_in(of).await?;
    assert_eq!(deployment.greeting(&login).await?, "welcome", "just issued");
    deployment.remember(&login).await?;
    Ok(login)
}

async fn is_refused_a_second_later(deployment: &Deployment, login: &Account) -> Result<()> {
    sleep(ONE_SECOND).await;
    assert_eq!(deployment.greeting(login).await?, UNKNOWN);
    Ok(())
}

#[tokio::test]
async fn what_synapse_ends_is_refused_within_a_second_and_what_it_issues_is_let_in_at_once() -> Result<()> {
    let deployment = Deployment::start("").await?;
    let alice = deployment.synapse.register("alice").await?;
    a_hit_costs_no_query(&deployment, &alice).await?;
    an_unknown_token_is_let_in_once_it_is_issued(&deployment, &alice).await?;
    a_logout_refuses(&deployment, &alice).await?;
    a_deleted_device_refuses(&deployment, &alice).await?;
    a_locked_user_is_refused_until_unlocked(&deployment, &alice).await?;
    a_new_password_refuses(&deployment, &alice).await?;
    a_deactivation_refuses(&deployment).await
}

async fn a_hit_costs_no_query(deployment: &Deployment, alice: &Account) -> Result<()> {
    deployment.remember(alice).await?;
    let looked_up = ["desc=\"get_user_by_access_token\""];
    let queries =
        async || deployment.worker.metric("synapse_storage_transaction_time_count_total", &looked_up).await;
    let (hits, before) = (deployment.token_hits().await?, queries().await?);
    for _ in 0..10 {
        assert_eq!(deployment.greeting(alice).await?, "welcome");
    }
    let [hits, queries] = [deployment.token_hits().await? - hits, queries().await? - before];
    assert_eq!(hits + queries, 10);
    // On a machine that is too busy to hear Synapse in time, a token is looked up now and then.
    assert!(queries <= 2, "{queries} of 10 were looked up");
    Ok(())
}

async fn an_unknown_token_is_let_in_once_it_is_issued(
    deployment: &Deployment,
    alice: &Account,
) -> Result<()> {
    let login = deployment.log_in(alice).await?;
    let sql = "UPDATE access_tokens SET token = $2 WHERE token = $1";
    deployment.sql.execute(sql, &[&login.access_token, &"not_yet"]).await?;
    for _ in 0..3 {
        assert_eq!(deployment.greeting(&login).await?, UNKNOWN);
    }
    deployment.sql.execute(sql, &[&"not_yet", &login.access_token]).await?;
    assert_eq!(deployment.greeting(&login).await?, "welcome");
    Ok(())
}

async fn a_logout_refuses(deployment: &Deployment, alice: &Account) -> Result<()> {
    let login = remembered(deployment, alice).await?;
    deployment.log_out(&login).await?;
    is_refused_a_second_later(deployment, &login).await?;
    assert_eq!(deployment.greeting(alice).await?, "welcome", "the user's other login");
    Ok(())
}

async fn a_deleted_device_refuses(deployment: &Deployment, alice: &Account) -> Result<()> {
    let login = remembered(deployment, alice).await?;
    let target = format!("/_synapse/admin/v2/users/{}/devices/{}", login.user_id, login.device_id);
    deployment.administrate("DELETE", &target, json!({})).await?;
    is_refused_a_second_later(deployment, &login).await
}

async fn a_locked_user_is_refused_until_unlocked(deployment: &Deployment, alice: &Account) -> Result<()> {
    let login = remembered(deployment, alice).await?;
    deployment.change_user(&login, json!({ "locked": true })).await?;
    sleep(ONE_SECOND).await;
    assert_eq!(deployment.greeting(&login).await?, "M_USER_LOCKED");
    deployment.change_user(&login, json!({ "locked": false })).await?;
    sleep(ONE_SECOND).await;
    assert_eq!(deployment.greeting(&login).await?, "welcome");
    Ok(())
}

async fn a_new_password_refuses(deployment: &Deployment, alice: &Account) -> Result<()> {
    let login = remembered(deployment, alice).await?;
    let target = format!("/_synapse/admin/v1/reset_password/{}", login.user_id);
    let body = json!({ "new_password": Synapse::PASSWORD, "logout_devices": true });
    deployment.administrate("POST", &target, body).await?;
    is_refused_a_second_later(deployment, &login).await
}

async fn a_deactivation_refuses(deployment: &Deployment) -> Result<()> {
    let bob = deployment.synapse.register("bob").await?;
    deployment.remember(&bob).await?;
    let target = format!("/_synapse/admin/v1/deactivate/{}", bob.user_id);
    deployment.administrate("POST", &target, json!({})).await?;
    is_refused_a_second_later(deployment, &bob).await
}

#[tokio::test]
async fn what_synapse_ends_is_refused_within_a_second_whichever_way_to_redis_is_broken() -> Result<()> {
    let mut deployment = Deployment::start("").await?;
    let alice = deployment.synapse.register("alice").await?;
    while_synapse_is_cut_off_from_redis(&mut deployment, &alice).await?;
    while_the_worker_is_cut_off_from_redis(&mut deployment, &alice).await?;
    while_the_worker_waits_for_redis(&mut deployment, &alice).await?;
    while_redis_hangs(&deployment, &alice).await?;
    while_redis_is_dead(&mut deployment, &alice).await
}

async fn while_synapse_is_cut_off_from_redis(deployment: &mut Deployment, alice: &Account) -> Result<()> {
    let login = remembered(deployment, alice).await?;
    deployment.between_synapse_and_redis.cut().await;
    deployment.log_out(&login).await?;
    is_refused_a_second_later(deployment, &login).await?;
    deployment.remember(alice).await?;
    deployment.between_synapse_and_redis.heal().await
}

async fn while_the_worker_is_cut_off_from_redis(deployment: &mut Deployment, alice: &Account) -> Result<()> {
    let login = remembered(deployment, alice).await?;
    deployment.between_worker_and_redis.cut().await;
    deployment.log_out(&login).await?;
    is_refused_a_second_later(deployment, &login).await?;
    let fresh = deployment.log_in(alice).await?;
    assert_eq!(deployment.greeting(&fresh).await?, "welcome");
    deployment.between_worker_and_redis.heal().await?;
    subscribed(&deployment.worker).await
}

async fn while_the_worker_waits_for_redis(deployment: &mut Deployment, alice: &Account) -> Result<()> {
    let login = remembered(deployment, alice).await?;
    deployment.between_worker_and_redis.stall();
    deployment.log_out(&login).await?;
    is_refused_a_second_later(deployment, &login).await?;
    deployment.between_worker_and_redis.heal().await?;
    subscribed(&deployment.worker).await
}

async fn while_redis_hangs(deployment: &Deployment, alice: &Account) -> Result<()> {
    for rest in [Duration::ZERO, Duration::from_secs(3)] {
        let login = remembered(deployment, alice).await?;
        deployment.redis.pause()?;
        sleep(rest).await;
        deployment.log_out(&login).await?;
        is_refused_a_second_later(deployment, &login).await?;
        let fresh = deployment.log_in(alice).await?;
        assert_eq!(deployment.greeting(&fresh).await?, "welcome");
        deployment.redis.resume()?;
        subscribed(&deployment.worker).await?;
    }
    Ok(())
}

async fn while_redis_is_dead(deployment: &mut Deployment, alice: &Account) -> Result<()> {
    let login = remembered(deployment, alice).await?;
    deployment.redis.kill().await?;
    let killed_later = deployment.log_in(alice).await?;
    deployment.log_out(&login).await?;
    is_refused_a_second_later(deployment, &login).await?;
    assert_eq!(deployment.greeting(&killed_later).await?, "welcome");
    let cached = deployment.worker.metric("key_backup_tokens_cached", &[]).await?;
    let unavailable =
        deployment.worker.metric("key_backup_tokens_lookups_total", &["result=\"unavailable\""]).await?;
    assert!(cached == 0 && unavailable > 0, "{cached} remembered, {unavailable} asked of PostgreSQL");
    deployment.redis.restart().await?;
    until("the subscription is made again", async || {
        Ok(deployment.worker.metric("key_backup_replication_subscribed", &[]).await? > 0)
    })
    .await?;
    let login = remembered(deployment, alice).await?;
    deployment.log_out(&login).await?;
    is_refused_a_second_later(deployment, &login).await
}
