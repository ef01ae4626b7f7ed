//! What changes keys without raising the etag: a deleted room, a user who begins anew. No count outlives it, whatever Redis did meanwhile.

use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;
use tokio::time::sleep;

use crate::{
    backup::{delete_room, invalidate, put_as_synapse, until},
    setup::Setup,
};

/// A backup with a key in `!a` and one in `!b`, and a count of it in Redis.
async fn counted() -> Result<(Setup, String)> {
    let setup = Setup::start().await?;
    setup.subscribed().await?;
    let version = setup.backup().create().await?;
    for room in ["!a", "!b"] {
        setup.backup().put(&version, room, "s").await?;
    }
    assert_eq!(setup.backup().poll().await?.count, 2);
    assert!(setup.in_redis()?);
    Ok((setup, version))
}

#[tokio::test]
async fn keys_of_a_deleted_room_do_not_count_once_synapse_has_said_so_over_redis() -> Result<()> {
    let (setup, _) = counted().await?;
    delete_room(&setup.sql, "!a").await?;
    let row = r#"RDATA caches master 7 ["dr_cache_fake", ["!a"], 1700000000000]"#;
    setup.redis.address().command(&["PUBLISH", "example.com", row])?;
    until("the count is right", async || Ok(setup.backup().poll().await?.count == 1)).await
}

#[tokio::test]
async fn keys_of_a_deleted_room_do_not_count_once_synapse_has_written_it_down() -> Result<()> {
    let (setup, _) = counted().await?;
    delete_room(&setup.sql, "!a").await?;
    invalidate(&setup.sql, "dr_cache_fake", &["!a"]).await?;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(setup.backup().poll().await?.count, 1);
    Ok(())
}

#[tokio::test]
async fn a_room_deleted_while_redis_hung_does_not_count_afterwards() -> Result<()> {
    let (setup, version) = counted().await?;
    setup.redis.pause()?;
    // From now on Redis is left alone, so that nobody even tries to tell it.
    assert_eq!(setup.backup().poll().await?.count, 2);
    delete_room(&setup.sql, "!a").await?;
    invalidate(&setup.sql, "dr_cache_fake", &["!a"]).await?;
    // Shorter than it takes the subscription to notice.
    sleep(Duration::from_millis(700)).await;
    assert_eq!(setup.backup().poll().await?.count, 1, "Redis hangs");
    setup.redis.resume()?;
    for _ in 0..30 {
        assert_eq!(setup.backup().poll().await?.count, 1, "Redis is back, with what it held before");
        sleep(Duration::from_millis(50)).await;
    }
    until("Redis is used again", async || {
        assert_eq!(setup.backup().put(&version, "!b", "s").await?.count, 1);
        Ok(setup.worker.metric("key_backup_redis_breaker_open", &[]).await? == 0 && setup.in_redis()?)
    })
    .await?;
    assert_eq!(setup.backup().poll().await?.count, 1);
    Ok(())
}

#[tokio::test]
async fn a_room_deleted_while_no_worker_ran_does_not_count_afterwards() -> Result<()> {
    let (setup, _) = counted().await?;
    setup.worker.process().signal(Signal::SIGKILL)?;
    delete_room(&setup.sql, "!a").await?;
    let next = setup.another("").await?;
    assert_eq!(setup.backup_at(&next).poll().await?.count, 1);
    Ok(())
}

/// All of a user's backup is deleted, as by a deactivation, and one with the same version and etag appears, with more keys.
async fn begin_anew_as_synapse(setup: &Setup) -> Result<()> {
    let user = setup.alice.user_id.as_str();
    setup.sql.execute("DELETE FROM e2e_room_keys WHERE user_id = $1", &[&user]).await?;
    let anew = "UPDATE e2e_room_keys_versions SET etag = NULL, auth_data = '{}' WHERE user_id = $1";
    setup.sql.execute(anew, &[&user]).await?;
    for session in ["s", "t", "u"] {
        put_as_synapse(&setup.sql, user, "1", session).await?;
    }
    let lower = "UPDATE e2e_room_keys_versions SET etag = 2 WHERE user_id = $1";
    setup.sql.execute(lower, &[&user]).await?;
    Ok(())
}

#[tokio::test]
async fn a_user_who_is_active_again_begins_with_version_1_and_its_own_count() -> Result<()> {
    let (setup, version) = counted().await?;
    assert_eq!((version.as_str(), setup.backup().poll().await?.etag), ("1", 2));
    begin_anew_as_synapse(&setup).await?;
    invalidate(&setup.sql, "get_user_deactivated_status", &[&setup.alice.user_id]).await?;
    sleep(Duration::from_secs(1)).await;
    let shown = setup.backup().poll().await?;
    assert_eq!((shown.etag, shown.count), (2, 3));
    Ok(())
}

#[tokio::test]
async fn a_user_who_began_anew_while_redis_hung_has_the_right_count_afterwards() -> Result<()> {
    let (setup, _) = counted().await?;
    setup.redis.pause()?;
    // From now on Redis is left alone, so that nobody even tries to tell it.
    assert_eq!(setup.backup().poll().await?.count, 2);
    begin_anew_as_synapse(&setup).await?;
    invalidate(&setup.sql, "get_user_deactivated_status", &[&setup.alice.user_id]).await?;
    sleep(Duration::from_millis(700)).await;
    assert_eq!(setup.backup().poll().await?.count, 3, "Redis hangs");
    setup.redis.resume()?;
    for _ in 0..30 {
        assert_eq!(setup.backup().poll().await?.count, 3, "Redis is back, with what it held before");
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
