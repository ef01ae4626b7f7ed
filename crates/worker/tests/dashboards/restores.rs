//! What long restores count while they are sent, and how they end.

use std::{path::Path, time::Duration};

use anyhow::{Result, ensure};
use key_backup_testkit::{
    Account, TestDatabase, Worker,
    http::{Connection, Request},
};

use crate::load::Load;

const RESTORE: &str = "/_matrix/client/v3/room_keys/keys?version=1";

/// How long anything may take that happens by itself.
const PATIENCE: Duration = Duration::from_secs(20);

struct Setup {
    worker: Worker,
    database: TestDatabase,
    alice: Account,
}

/// A backup of many pages, which does not fit into the buffers of a connection.
async fn setup() -> Result<Setup> {
    let database = TestDatabase::create().await?;
    let alice = database.add_user("alice").await?;
    let worker = Worker::configure(Path::new(env!("CARGO_BIN_EXE_key-backup-worker")));
    let worker = worker.database(&database).metrics().start().await?;
    Load::begin(worker.client().as_user(&alice.access_token)).await?;
    let fill = "INSERT INTO e2e_room_keys
          (user_id, version, room_id, session_id, first_message_index, forwarded_count, is_verified, session_data)
        SELECT $1, 1, '!room', 'session' || n, n, 0, false, '{\"mac\":\"' || repeat('x', 1500) || '\"}'
          FROM generate_series(1, 30000) n";
    database.connect().await?.execute(fill, &[&alice.user_id]).await?;
    Ok(Setup { worker, database, alice })
}

impl Setup {
    /// A restore of which its client has read nothing but the head.
    async fn begin(&self) -> Result<Connection> {
        let mut connection = Connection::open(self.worker.address()).await?;
        connection.send(&Request::new("GET", RESTORE).bearer(&self.alice.access_token)).await?;
        ensure!(connection.read_head().await?.status == 200, "no restore");
        Ok(connection)
    }

    async fn restores(&self, outcome: &str) -> Result<i64> {
        self.worker.metric("key_backup_restores_total", &[&format!("outcome=\"{outcome}\"")]).await
    }

    async fn of_restores(&self, metric: &str) -> Result<i64> {
        self.worker.metric(metric, &["method=\"GET\"", "servlet=\"RoomKeysServlet\""]).await
    }

    async fn until_one_is(&self, outcome: &str) -> Result<()> {
        until(async || Ok(self.restores(outcome).await? == 1)).await?;
        ensure!(
            self.worker.metric("key_backup_restores_in_flight", &[]).await? == 0,
            "it still is in flight"
        );
        Ok(())
    }
}

async fn until(mut is_so: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let start = tokio::time::Instant::now();
    while !is_so().await? {
        ensure!(start.elapsed() < PATIENCE, "it never is so");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

#[tokio::test]
async fn work_is_counted_while_a_restore_is_sent_and_again_when_it_has_been_sent() {
    let setup = setup().await.unwrap();
    let mut connection = setup.begin().await.unwrap();
    let in_flight = "synapse_http_server_in_flight_requests_db_txn_count_total";
    // The token, the first page, and further pages until the buffers are full.
    until(async || Ok(setup.of_restores(in_flight).await? > 2)).await.unwrap();
    assert_eq!(setup.of_restores("synapse_http_server_in_flight_requests_count").await.unwrap(), 1);
    assert_eq!(setup.worker.metric("key_backup_restores_in_flight", &[]).await.unwrap(), 1);
    assert_eq!(setup.of_restores("synapse_http_server_response_db_txn_count_total").await.unwrap(), 0);
    let mut bytes = 0;
    while let Some(part) = connection.read_part().await.unwrap() {
        bytes += i64::try_from(part.len()).unwrap();
    }
    setup.until_one_is("complete").await.unwrap();
    assert_eq!(setup.worker.metric("key_backup_restored_bytes_total", &[]).await.unwrap(), bytes);
    assert_eq!(setup.worker.metric("key_backup_keys_restored_total", &[]).await.unwrap(), 30_000);
    let sent = "synapse_http_server_response_db_txn_count_total";
    until(async || Ok(setup.of_restores(sent).await? > 0)).await.unwrap();
    assert_eq!(setup.of_restores(sent).await.unwrap(), setup.of_restores(in_flight).await.unwrap());
}

#[tokio::test]
async fn a_restore_is_counted_by_who_ended_it() {
    let setup = setup().await.unwrap();
    drop(setup.begin().await.unwrap());
    setup.until_one_is("client_left").await.unwrap();
    let mut connection = setup.begin().await.unwrap();
    let delete = "UPDATE e2e_room_keys_versions SET deleted = 1";
    setup.database.connect().await.unwrap().batch_execute(delete).await.unwrap();
    while connection.read_part().await.is_ok_and(|part| part.is_some()) {}
    setup.until_one_is("broken_off").await.unwrap();
    assert_eq!(setup.restores("complete").await.unwrap(), 0);
}
