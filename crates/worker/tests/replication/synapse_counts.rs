//! Counts on a real Synapse: both serve the same backup, rooms are deleted, accounts deactivated.

use anyhow::{Context, Result};
use key_backup_testkit::{Account, services::Synapse};
use serde_json::json;
use tokio::time::sleep;

use crate::{
    backup::until,
    deployment::{Deployment, ONE_SECOND},
};

#[tokio::test]
async fn counts_are_those_of_synapse_whatever_is_done_there() -> Result<()> {
    let deployment = Deployment::start("").await?;
    let alice = deployment.synapse.register("alice").await?;
    uploads_and_deletions_at_both(&deployment, &alice).await?;
    a_room_is_deleted(&deployment, &alice).await?;
    an_account_is_deactivated_and_active_again(&deployment).await
}

async fn uploads_and_deletions_at_both(deployment: &Deployment, alice: &Account) -> Result<()> {
    let (ours, synapses) = (deployment.backup(alice), deployment.backup_at_synapse(alice));
    let version = ours.create().await?;
    for round in 0..6 {
        let session = format!("s{round}");
        for (writer, room) in [(&ours, "!a"), (&synapses, "!b"), (&synapses, "!c"), (&ours, "!c")] {
            let shown = writer.put(&version, room, &session).await?;
            assert_eq!((ours.poll().await?, synapses.poll().await?), (shown, shown));
        }
    }
    for (writer, room) in [(&synapses, "!a"), (&ours, "!b"), (&synapses, "!c")] {
        let shown = writer.delete(&version, Some(room)).await?;
        assert_eq!((ours.poll().await?, synapses.poll().await?), (shown, shown));
    }
    assert_eq!(ours.poll().await?.count, 0);
    Ok(())
}

async fn a_room_is_deleted(deployment: &Deployment, alice: &Account) -> Result<()> {
    let created =
        deployment.at_synapse(&alice.access_token).post("/_matrix/client/v3/createRoom", &json!({})).await?;
    let created = created.json()?;
    let room = created["room_id"].as_str().context("no room")?;
    let backup = deployment.backup(alice);
    for session in ["s", "t"] {
        backup.put("1", room, session).await?;
    }
    let before = backup.put("1", "!another", "s").await?;
    assert_eq!((before.count, backup.poll().await?), (3, before));
    let target = format!("/_synapse/admin/v2/rooms/{room}");
    deployment.administrate("DELETE", &target, json!({ "purge": true })).await?;
    until("the room's keys are deleted", async || {
        let keys = "SELECT count(*) FROM e2e_room_keys WHERE room_id = $1";
        Ok(deployment.sql.query_one(keys, &[&room]).await?.get::<_, i64>(0) == 0)
    })
    .await?;
    sleep(ONE_SECOND).await;
    let after = backup.poll().await?;
    assert_eq!((after.etag, after.count), (before.etag, 1), "the etag does not tell");
    Ok(())
}

async fn an_account_is_deactivated_and_active_again(deployment: &Deployment) -> Result<()> {
    let bob = deployment.synapse.register("bob").await?;
    let version = deployment.backup(&bob).create().await?;
    for session in ["s", "t"] {
        deployment.backup(&bob).put(&version, "!a", session).await?;
    }
    assert_eq!(deployment.backup(&bob).poll().await?.count, 2);
    let target = format!("/_synapse/admin/v1/deactivate/{}", bob.user_id);
    deployment.administrate("POST", &target, json!({})).await?;
    // Synapse 1.163.2 counts on an index here that a new database of its own does not have.
    deployment.sql.batch_execute("CREATE UNIQUE INDEX ON profiles (full_user_id)").await?;
    deployment.change_user(&bob, json!({ "deactivated": false, "password": Synapse::PASSWORD })).await?;
    let bob = deployment.log_in(&bob).await?;
    let (ours, synapses) = (deployment.backup(&bob), deployment.backup_at_synapse(&bob));
    assert_eq!(ours.get().await?.status, 404, "the backup is gone");
    // Synapse brings the etag to where it was, over fewer keys.
    assert_eq!(synapses.create().await?, version, "versions begin anew");
    synapses.put(&version, "!a", "s").await?;
    let shown = synapses.delete(&version, Some("!none")).await?;
    assert_eq!((shown.etag, shown.count), (2, 1));
    assert_eq!(ours.poll().await?, shown);
    Ok(())
}
