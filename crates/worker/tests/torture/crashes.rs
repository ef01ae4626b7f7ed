//! Crashes in the middle of uploads: what was answered is there, and what was not is there whole or not at all.

use std::time::Duration;

use key_backup_testkit::services::Shutdown;
use tokio::time::sleep;

use crate::uploads::{Setup, Uploads};

/// Lets some uploads be answered, and some more begin: another number of them in each round.
async fn some_way_through(uploads: &mut Uploads, round: u64) {
    uploads.are_answered(round % 7).await;
    sleep(Duration::from_micros(round * 379 % 5000)).await;
}

#[tokio::test]
async fn a_worker_that_is_killed_a_hundred_times_loses_nothing() {
    let mut setup = Setup::start().await;
    for round in 0..100 {
        let worker = setup.worker().await;
        setup.assert_counts(&worker).await;
        let mut uploads = setup.begin_uploads(&worker);
        some_way_through(&mut uploads, round).await;
        worker.kill().await.unwrap();
        setup.check(uploads).await;
    }
    setup.assert_both_were_met();
}

#[tokio::test]
async fn crashes_of_postgresql_lose_nothing() {
    let mut setup = Setup::start().await;
    let worker = setup.worker().await;
    for round in 1..=8 {
        setup.assert_counts(&worker).await;
        let mut uploads = setup.begin_uploads(&worker);
        some_way_through(&mut uploads, 5 * round).await;
        setup.postgres.restart(Shutdown::Immediate).await.unwrap();
        setup.check(uploads).await;
    }
    setup.assert_counts(&worker).await;
    setup.assert_both_were_met();
}
