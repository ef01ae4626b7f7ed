//! The primary is lost, and its standby becomes the primary.

use key_backup_testkit::{
    TestDatabase, Worker,
    services::{Durability, Postgres, Shutdown},
    temporary_folder,
};

use crate::common::{
    BACK, BEGINS, ENDS, VERSION, assert_healthy, binary, eventually, keys, new_version, readiness, refused,
    said, upload, within,
};

#[tokio::test]
async fn after_a_failover_the_worker_finds_the_new_primary() {
    let folder = temporary_folder().unwrap();
    let mut primary = Postgres::start(&folder.path().join("primary"), Durability::Fast).await.unwrap();
    let database = TestDatabase::create_on(primary.address()).await.unwrap();
    let alice = database.add_user("alice").await.unwrap();
    let standby = primary.standby(&folder.path().join("standby")).await.unwrap();
    let yaml = format!(
        "database:\n  name: psycopg2\n  args:\n    host: 127.0.0.1,127.0.0.1\n    port: \"{},{}\"\n    user: postgres\n    dbname: {}\n    target_session_attrs: read-write\n    cp_min: 1\n    cp_max: 10\n",
        primary.address().port,
        standby.address().port,
        database.name()
    );
    let worker = Worker::configure(binary()).database(&database).yaml(&yaml).start().await.unwrap();
    let client = worker.client().as_user(&alice.access_token);
    new_version(&client).await;
    let on_standby = standby.address().connect(database.name()).await.unwrap();
    eventually("the version on the standby", async || {
        on_standby.query_opt("SELECT FROM e2e_room_keys_versions", &[]).await.unwrap().is_some()
    })
    .await;
    primary.stop(Shutdown::Immediate).await.unwrap();
    refused(client.put(&keys("1"), &upload(1))).await;
    within(BACK, "the end of readiness", async || readiness(&worker).await == 503).await;
    assert_healthy(&worker).await;
    on_standby.execute("SELECT pg_promote()", &[]).await.unwrap();
    within(BACK, "readiness", async || readiness(&worker).await == 200).await;
    assert_eq!(client.put(&keys("1"), &upload(1)).await.unwrap().status, 200);
    assert_eq!(client.get(VERSION).await.unwrap().status, 200);
    assert_eq!((said(&worker, BEGINS), said(&worker, ENDS)), (1, 1), "{}", worker.log());
}
