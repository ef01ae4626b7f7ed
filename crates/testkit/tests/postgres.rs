//! A PostgreSQL server that is stopped and frozen.

use std::time::Duration;

use anyhow::Result;
use key_backup_testkit::{
    services::{Durability, Postgres, Shutdown},
    temporary_folder,
};
use tokio::time::timeout;

#[tokio::test]
async fn a_server_that_was_stopped_comes_back_with_its_data_where_it_was() -> Result<()> {
    let folder = temporary_folder()?;
    let mut server = Postgres::start(&folder.path().join("postgres"), Durability::Fast).await?;
    let address = server.address().clone();
    address.create_database("kept").await?;
    for mode in [Shutdown::Fast, Shutdown::Immediate] {
        server.stop(mode).await?;
        assert!(address.connect("kept").await.is_err(), "{mode:?}");
        server.start_again().await?;
        assert!(address.connect("kept").await.is_ok(), "{mode:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_paused_server_answers_nobody_until_it_goes_on() -> Result<()> {
    let folder = temporary_folder()?;
    let server = Postgres::start(&folder.path().join("postgres"), Durability::Fast).await?;
    let client = server.address().connect("postgres").await?;
    server.pause()?;
    let mut answer = Box::pin(client.simple_query("SELECT 1"));
    assert!(timeout(Duration::from_millis(200), &mut answer).await.is_err());
    let newcomer = server.address().connect("postgres");
    assert!(timeout(Duration::from_millis(200), newcomer).await.is_err());
    server.resume()?;
    answer.await?;
    Ok(())
}
