//! The count in an answer is the number of keys, and costs PostgreSQL nothing as long as nothing changes.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::Result;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    backup::{delete_as_synapse, delete_room, put_as_synapse, rows},
    setup::Setup,
};

#[tokio::test]
async fn a_count_is_right_whoever_writes_in_between() -> Result<()> {
    let setup = Setup::start().await?;
    let (backup, sql, user) = (setup.backup(), &setup.sql, setup.alice.user_id.as_str());
    let version = backup.create().await?;
    for round in 0..4 {
        let session = format!("s{round}");
        assert_eq!(backup.put(&version, "!a", &session).await?.count, rows(sql, user, &version).await?);
        put_as_synapse(sql, user, &version, &session).await?;
        assert_eq!(backup.poll().await?.count, rows(sql, user, &version).await?);
        put_as_synapse(sql, user, &version, &format!("b{round}")).await?;
        assert_eq!(backup.put(&version, "!b", &session).await?.count, rows(sql, user, &version).await?);
        delete_as_synapse(sql, user, &version, &format!("b{round}")).await?;
        assert_eq!(backup.delete(&version, Some("!b")).await?.count, rows(sql, user, &version).await?);
    }
    assert_eq!(backup.poll().await?.count, 8);
    Ok(())
}

#[tokio::test]
async fn versions_come_and_go_and_each_has_its_own_count() -> Result<()> {
    let setup = Setup::start().await?;
    let backup = setup.backup();
    let first = backup.create().await?;
    backup.put(&first, "!a", "s").await?;
    let second = backup.create().await?;
    assert_eq!(backup.poll().await?.count, 0);
    for session in ["s", "t"] {
        backup.put(&second, "!a", session).await?;
    }
    assert_eq!(backup.poll().await?.count, 2);
    backup.delete_version(&second).await?;
    assert_eq!(backup.poll().await?.count, 1, "the first version is the current one again");
    assert_eq!(backup.poll().await?.count, 1);
    Ok(())
}

#[tokio::test]
async fn a_poll_that_hits_does_not_count() -> Result<()> {
    let setup = Setup::start_with("key_backup_worker: {counts_lifetime: 2s}").await?;
    let backup = setup.backup();
    let version = backup.create().await?;
    backup.put(&version, "!a", "s").await?;
    assert!(setup.in_redis()?);
    // Nothing tells of this, so that whoever counts gets another answer.
    delete_room(&setup.sql, "!a").await?;
    let before = setup.look_ups().await?;
    assert_eq!([backup.poll().await?.count, backup.poll().await?.count], [1, 1]);
    assert_eq!(setup.look_ups().await?, [before[0] + 2, before[1], before[2]]);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(backup.poll().await?.count, 0, "used for longer than its life span");
    Ok(())
}

#[tokio::test]
async fn what_many_ask_for_at_the_same_moment_is_counted_once() -> Result<()> {
    let setup = Setup::start().await?;
    let (backup, user) = (setup.backup(), setup.alice.user_id.as_str());
    let version = backup.create().await?;
    for session in ["s", "t"] {
        put_as_synapse(&setup.sql, user, &version, session).await?;
    }
    let mut polls = JoinSet::new();
    for _ in 0..30 {
        let backup = backup.clone();
        polls.spawn(async move { backup.poll().await });
    }
    for poll in polls.join_all().await {
        assert_eq!(poll?.count, 2);
    }
    let [hits, misses, stale] = setup.look_ups().await?;
    assert_eq!([hits, misses, stale], [29, 1, 0]);
    Ok(())
}

/// Whether no fewer keys were seen than there must have been: the first of these uploads found `first`, its own included.
fn at_least_its_place(mut counts: Vec<i64>, first: i64) -> bool {
    counts.sort_unstable();
    counts.into_iter().zip(first..).all(|(count, place)| count >= place)
}

#[tokio::test]
async fn uploads_of_one_user_at_the_same_moment_count_once() -> Result<()> {
    let setup = Setup::start().await?;
    let (backup, user) = (setup.backup(), setup.alice.user_id.as_str());
    let version = backup.create().await?;
    put_as_synapse(&setup.sql, user, &version, "s").await?;
    let mut uploads = JoinSet::new();
    for number in 0..12 {
        let (backup, version) = (backup.clone(), version.clone());
        uploads.spawn(async move { backup.put(&version, "!a", &number.to_string()).await });
    }
    let mut counts = Vec::new();
    for upload in uploads.join_all().await {
        counts.push(upload?.count);
    }
    // Those that were merged have the count after all of them.
    assert_eq!(counts.iter().max(), Some(&13));
    assert!(at_least_its_place(counts, 2));
    let [hits, misses, stale] = setup.look_ups().await?;
    assert!(hits <= 11);
    assert_eq!([misses, stale], [1, 0]);
    Ok(())
}

#[tokio::test]
async fn two_workers_that_race_answer_with_a_count_that_was_right_meanwhile() -> Result<()> {
    static ENDED: AtomicBool = AtomicBool::new(false);
    let setup = Setup::start().await?;
    let other = setup.another("").await?;
    let version = setup.backup().create().await?;
    let mut uploads = JoinSet::new();
    for number in 0..60 {
        let worker = if number % 2 == 0 { &setup.worker } else { &other };
        let (backup, version) = (setup.backup_at(worker), version.clone());
        uploads.spawn(async move { backup.put(&version, "!a", &number.to_string()).await });
    }
    let watch = async {
        let user = setup.alice.user_id.as_str();
        while !ENDED.load(Ordering::Relaxed) {
            for worker in [&setup.worker, &other] {
                let before = rows(&setup.sql, user, &version).await?;
                let shown = setup.backup_at(worker).poll().await?;
                let after = rows(&setup.sql, user, &version).await?;
                assert!((before..=after).contains(&shown.count), "{before} <= {shown:?} <= {after}");
            }
        }
        anyhow::Ok(())
    };
    let upload = async {
        let uploads = uploads.join_all().await;
        ENDED.store(true, Ordering::Relaxed);
        uploads
    };
    let (watched, uploads) = tokio::join!(watch, upload);
    watched?;
    let counts = uploads.into_iter().map(|shown| Ok(shown?.count)).collect::<Result<Vec<_>>>()?;
    assert!(at_least_its_place(counts, 1), "an upload has not seen its own key");
    for worker in [&setup.worker, &other] {
        assert_eq!(setup.backup_at(worker).poll().await?.count, 60);
    }
    Ok(())
}

#[tokio::test]
async fn without_redis_counts_are_kept_in_the_process_and_checked_by_their_etag() -> Result<()> {
    let setup = Setup::start_with("redis: {enabled: false}").await?;
    let (backup, user) = (setup.backup(), setup.alice.user_id.as_str());
    let version = backup.create().await?;
    backup.put(&version, "!a", "s").await?;
    let before = setup.look_ups().await?;
    assert_eq!(backup.poll().await?.count, 1);
    assert_eq!(setup.look_ups().await?, [before[0] + 1, before[1], before[2]]);
    put_as_synapse(&setup.sql, user, &version, "t").await?;
    assert_eq!(backup.poll().await?.count, 2);
    assert_eq!(setup.look_ups().await?, [before[0] + 1, before[1], before[2] + 1]);
    assert!(!setup.in_redis()?);
    Ok(())
}
