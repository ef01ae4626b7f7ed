//! What becomes of the programs that tests start.

use std::{net::TcpStream, thread, time::Duration};

use anyhow::Result;
use key_backup_testkit::{
    Worker,
    services::{Redis, RedisAddress},
    temporary_folder,
};

async fn ends(redis: RedisAddress) -> bool {
    for _ in 0..200 {
        if TcpStream::connect(("127.0.0.1", redis.port)).is_err() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

#[tokio::test]
async fn a_service_ends_when_its_value_is_dropped() -> Result<()> {
    let folder = temporary_folder()?;
    let redis = Redis::start(folder.path()).await?;
    let address = redis.address();
    drop(redis);
    assert!(TcpStream::connect(("127.0.0.1", address.port)).is_err());
    Ok(())
}

#[tokio::test]
async fn a_service_does_not_outlive_a_killed_owner() -> Result<()> {
    let folder = temporary_folder()?;
    let path = folder.path().to_owned();
    // To the kernel the owner is the thread. It ends here without a chance to clean up, as after SIGKILL.
    let owner = thread::spawn(move || -> Result<RedisAddress> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let redis = runtime.block_on(Redis::start(&path))?;
        let address = redis.address();
        std::mem::forget(redis);
        Ok(address)
    });
    let address = owner.join().expect("the thread does not panic")?;
    assert!(ends(address).await);
    Ok(())
}

#[tokio::test]
async fn a_worker_that_refuses_to_start_is_reported_with_what_it_said() -> Result<()> {
    // `cat` knows no `-c`, says so, and ends.
    let worker = || Worker::configure("cat").yaml("server_name: example.com");
    let error = worker().start().await.unwrap_err();
    assert!(format!("{error:#}").contains("invalid option"), "{error:#}");
    let stopped = worker().run_to_its_end().await?;
    assert_eq!(stopped.status.code(), Some(1));
    assert!(stopped.log.contains("invalid option"), "{}", stopped.log);
    Ok(())
}
