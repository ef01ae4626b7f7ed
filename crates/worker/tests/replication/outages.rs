//! Whatever happens to Redis: no client notices, and it is used again once it works.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use key_backup_testkit::{
    BreakableProxy,
    services::{Redis, RedisAddress},
    temporary_folder,
};
use tokio::time::sleep;

use crate::{
    backup::{put_as_synapse, rows, until},
    setup::Setup,
};

/// Uploads, polls and deletes, each with the right count.
async fn served(setup: &Setup, version: &str) -> Result<()> {
    let (backup, user) = (setup.backup(), setup.alice.user_id.as_str());
    for round in 0..5 {
        let shown = backup.put(version, "!a", &round.to_string()).await?;
        assert_eq!(shown.count, rows(&setup.sql, user, version).await?);
        put_as_synapse(&setup.sql, user, version, &round.to_string()).await?;
        for _ in 0..4 {
            assert_eq!(backup.poll().await?.count, rows(&setup.sql, user, version).await?);
        }
    }
    assert_eq!(backup.delete(version, None).await?.count, 0);
    Ok(())
}

/// Polls for three seconds, and prints what that took: figures to look at, which depend on the machine.
async fn measured(setup: &Setup, when: &str) -> Result<()> {
    let (mut times, start) = (Vec::new(), Instant::now());
    while start.elapsed() < Duration::from_secs(3) {
        let start = Instant::now();
        setup.backup().poll().await?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let (last, slowest) = (times.len() - 1, times.iter().rev().take(4).collect::<Vec<_>>());
    println!(
        "{when}: {} polls, p50 {:?}, p99 {:?}, slowest {slowest:?}",
        times.len(),
        times[last / 2],
        times[last * 99 / 100]
    );
    Ok(())
}

/// Waits until uploads ask Redis again; polls need not.
async fn used_again(setup: &Setup, version: &str) -> Result<()> {
    until("Redis is used again", async || {
        setup.backup().put(version, "!a", "0").await?;
        let breaker = setup.worker.metric("key_backup_redis_breaker_open", &[]).await?;
        Ok(breaker == 0 && setup.in_redis()?)
    })
    .await?;
    setup.subscribed().await
}

async fn errors(setup: &Setup) -> Result<i64> {
    setup.worker.metric("key_backup_redis_errors_total", &[]).await
}

async fn begun() -> Result<(Setup, String)> {
    let setup = Setup::start().await?;
    setup.subscribed().await?;
    let version = setup.backup().create().await?;
    served(&setup, &version).await?;
    Ok((setup, version))
}

#[tokio::test]
async fn a_redis_that_hangs_costs_one_request_each_second_a_moment() -> Result<()> {
    let (setup, version) = begun().await?;
    measured(&setup, "Redis answers").await?;
    setup.redis.pause()?;
    served(&setup, &version).await?;
    assert!(setup.worker.metric("key_backup_redis_breaker_open", &[]).await? > 0);
    let before = errors(&setup).await?;
    measured(&setup, "Redis hangs").await?;
    let asked = errors(&setup).await? - before;
    assert!((1..=4).contains(&asked), "asked {asked} times in 3 s");
    until("the subscription is given up", async || {
        Ok(setup.worker.metric("key_backup_replication_subscribed", &[]).await? == 0)
    })
    .await?;
    setup.redis.resume()?;
    used_again(&setup, &version).await
}

#[tokio::test]
async fn a_redis_that_is_killed_and_restarted_costs_no_client_anything() -> Result<()> {
    let (mut setup, version) = begun().await?;
    setup.redis.kill().await?;
    served(&setup, &version).await?;
    setup.redis.restart().await?;
    used_again(&setup, &version).await?;
    served(&setup, &version).await?;
    let log = setup.worker.log();
    assert!(log.contains("going on without Redis"), "{log}");
    assert!(log.contains("not hearing Synapse"), "{log}");
    assert_eq!(log.matches("hearing Synapse on the channel example.com").count(), 2, "{log}");
    Ok(())
}

#[tokio::test]
async fn a_full_redis_or_one_that_is_read_only_costs_no_client_anything() -> Result<()> {
    let (setup, version) = begun().await?;
    let redis = setup.redis.address();
    for (broken, healed) in [
        (&["CONFIG", "SET", "maxmemory", "1mb"][..], &["CONFIG", "SET", "maxmemory", "0"][..]),
        (&["REPLICAOF", "127.0.0.1", "1"], &["REPLICAOF", "NO", "ONE"]),
    ] {
        redis.command(broken)?;
        let before = setup.worker.metric("key_backup_redis_errors_total", &["set_count"]).await?;
        served(&setup, &version).await?;
        let after = setup.worker.metric("key_backup_redis_errors_total", &["set_count"]).await?;
        assert!(after > before, "{broken:?} does not make a difference");
        redis.command(healed)?;
        served(&setup, &version).await?;
        used_again(&setup, &version).await?;
    }
    Ok(())
}

#[tokio::test]
async fn counts_are_right_while_redis_is_flushed_hung_killed_and_restarted_all_the_time() -> Result<()> {
    let (mut setup, version) = begun().await?;
    let backup = setup.backup();
    let mut expected = 0;
    for round in 0..24 {
        match round % 6 {
            0 => drop(setup.redis.address().command(&["FLUSHALL"])?),
            1 => setup.redis.pause()?,
            2 => setup.redis.resume()?,
            3 => setup.redis.kill().await?,
            4 => setup.redis.restart().await?,
            _ => sleep(Duration::from_millis(900)).await,
        }
        for session in ["s", "t"] {
            expected += 1;
            let shown = backup.put(&version, "!a", &format!("{session}{round}")).await?;
            assert_eq!(shown.count, expected, "round {round}");
            assert_eq!(backup.poll().await?, shown, "round {round}");
        }
        put_as_synapse(&setup.sql, &setup.alice.user_id, &version, &round.to_string()).await?;
        expected += 1;
        assert_eq!(backup.poll().await?.count, expected, "round {round}");
    }
    used_again(&setup, &version).await
}

#[tokio::test]
async fn a_connection_that_died_without_a_word_is_replaced() -> Result<()> {
    let folder = temporary_folder()?;
    let redis = Redis::start(&folder.path().join("redis")).await?;
    let mut proxy = BreakableProxy::start(([127, 0, 0, 1], redis.address().port).into()).await?;
    let through_proxy = RedisAddress { port: proxy.address().port() }.redis_yaml();
    let setup = Setup::on(folder, redis, &through_proxy).await?;
    setup.subscribed().await?;
    let version = setup.backup().create().await?;
    served(&setup, &version).await?;
    proxy.abandon();
    served(&setup, &version).await?;
    setup.redis.address().command(&["FLUSHALL"])?;
    used_again(&setup, &version).await
}

#[tokio::test]
async fn a_wrong_password_costs_no_client_anything_and_is_tried_again() -> Result<()> {
    let folder = temporary_folder()?;
    let password = ["--requirepass", "right"];
    let redis = Redis::start_with(&folder.path().join("redis"), &password).await?;
    let wrong = format!("{}  password: wrong\n", redis.address().redis_yaml());
    let setup = Setup::on(folder, redis, &wrong).await?;
    let version = setup.backup().create().await?;
    served(&setup, &version).await?;
    let log = setup.worker.log();
    assert!(log.contains("going on without Redis"), "{log}");
    ensure!(!log.contains("wrong"), "a password in the log: {log}");
    setup.redis.address().command(&["-a", "right", "CONFIG", "SET", "requirepass", "wrong"])?;
    setup.subscribed().await?;
    until("Redis is used", async || {
        setup.backup().put(&version, "!a", "0").await?;
        let keys = setup.redis.address().command(&["-a", "wrong", "DBSIZE"])?;
        Ok(keys != "0")
    })
    .await
}
