//! The databases that tests get.

use anyhow::Result;
use key_backup_testkit::{TestDatabase, services::Postgres};

async fn databases(name: &str) -> Result<i64> {
    let client = Postgres::from_env()?.connect("postgres").await?;
    Ok(client.query_one("SELECT count(*) FROM pg_database WHERE datname = $1", &[&name]).await?.get(0))
}

#[tokio::test]
async fn a_database_has_synapses_tables_and_nothing_in_them() -> Result<()> {
    let database = TestDatabase::create().await?;
    let client = database.connect().await?;
    for table in ["users", "devices", "access_tokens", "e2e_room_keys_versions", "e2e_room_keys"] {
        let rows: i64 = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await?.get(0);
        assert_eq!(rows, 0, "{table}");
    }
    let collation: String = client
        .query_one("SELECT datcollate::text FROM pg_database WHERE datname = current_database()", &[])
        .await?
        .get(0);
    assert_eq!(collation, "C");
    Ok(())
}

#[tokio::test]
async fn what_one_test_writes_is_not_seen_by_another() -> Result<()> {
    let (one, other) = tokio::try_join!(TestDatabase::create(), TestDatabase::create())?;
    let alice = one.add_user("alice").await?;
    let again = other.add_user("alice").await?;
    assert_eq!(alice.user_id, "@alice:example.com");
    assert_ne!(alice.access_token, again.access_token);
    Ok(())
}

#[tokio::test]
async fn a_database_is_gone_once_its_value_is_dropped() -> Result<()> {
    let database = TestDatabase::create().await?;
    let name = database.name().to_owned();
    assert_eq!(databases(&name).await?, 1);
    let _still_connected = database.connect().await?;
    drop(database);
    assert_eq!(databases(&name).await?, 0);
    Ok(())
}
