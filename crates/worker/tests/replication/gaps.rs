//! What is heard on the channel that is no row: gaps, unknown commands, nonsense.

use anyhow::Result;

use crate::{backup::until, setup::Setup};

fn publish(setup: &Setup, line: &str) -> Result<()> {
    setup.redis.address().command(&["PUBLISH", "example.com", line]).map(drop)
}

async fn cached(setup: &Setup) -> Result<i64> {
    setup.worker.metric("key_backup_tokens_cached", &[]).await
}

async fn gaps(setup: &Setup) -> Result<i64> {
    setup.worker.metric("key_backup_replication_gaps_total", &[]).await
}

async fn heard(setup: &Setup, command: &str) -> Result<i64> {
    let name = "synapse_replication_tcp_protocol_inbound_commands_total";
    setup.worker.metric(name, &[&format!("command=\"{command}\"")]).await
}

/// A worker that remembers Alice's token.
async fn remembering() -> Result<Setup> {
    let setup = Setup::start().await?;
    setup.subscribed().await?;
    remember(&setup).await?;
    Ok(setup)
}

async fn remember(setup: &Setup) -> Result<()> {
    until("the token is remembered", async || {
        setup.backup().get().await?;
        Ok(cached(setup).await? > 0)
    })
    .await
}

#[tokio::test]
async fn a_position_that_leaps_over_rows_drops_all_tokens() -> Result<()> {
    let setup = remembering().await?;
    for line in ["POSITION caches master 5 5", "POSITION caches master 5 9", "POSITION caches other 700 700"]
    {
        publish(&setup, line)?;
    }
    until("the lines are heard", async || Ok(heard(&setup, "POSITION").await? > 2)).await?;
    assert!(gaps(&setup).await? == 0 && cached(&setup).await? > 0, "nothing was missed so far");
    publish(&setup, "POSITION caches master 12 15")?;
    until("the gap is seen", async || Ok(gaps(&setup).await? > 0)).await?;
    assert!(cached(&setup).await? == 0);
    assert!(setup.worker.log().contains("rows of master were missed"));
    remember(&setup).await
}

#[tokio::test]
async fn a_row_that_cannot_be_read_drops_all_tokens() -> Result<()> {
    let setup = remembering().await?;
    publish(&setup, "RDATA caches master 6 [\"get_user")?;
    until("the gap is seen", async || Ok(gaps(&setup).await? > 0)).await?;
    assert!(cached(&setup).await? == 0);
    remember(&setup).await
}

#[tokio::test]
async fn a_row_drops_what_it_names_and_nothing_else() -> Result<()> {
    let setup = remembering().await?;
    let bob = setup.database.add_user("bob").await?;
    let as_bob = setup.worker.client().as_user(&bob.access_token);
    let path = "/_matrix/client/v3/room_keys/version";
    until("both are remembered", async || {
        setup.backup().get().await?;
        as_bob.get(path).await?;
        Ok(cached(&setup).await? > 1)
    })
    .await?;
    publish(&setup, r#"RDATA caches worker2 batch ["get_user_locked_status", ["@bob:example.com"], 1]"#)?;
    until("bob's is dropped", async || Ok(cached(&setup).await? < 2)).await?;
    assert!(setup.worker.metric("key_backup_tokens_invalidated_total", &[]).await? > 0);
    publish(&setup, r#"RDATA caches worker2 9 ["is_guest", null, 1]"#)?;
    until("all are dropped", async || Ok(cached(&setup).await? == 0)).await
}

#[tokio::test]
async fn what_means_nothing_is_only_counted() -> Result<()> {
    let setup = remembering().await?;
    let before = (heard(&setup, "RDATA").await?, heard(&setup, "other").await?);
    let lines = [
        "",
        "A_NEW_COMMAND x",
        "RDATA events master 5 []",
        "RDATA caches master 3 [\"other\", [\"x\"], 1]",
        "{}",
        "\u{fffd} \u{1f511}",
    ];
    for line in lines {
        publish(&setup, line)?;
    }
    until("all are heard", async || {
        let after = (heard(&setup, "RDATA").await?, heard(&setup, "other").await?);
        Ok(after.0 - before.0 > 1 && after.1 - before.1 > 3)
    })
    .await?;
    assert!(gaps(&setup).await? == 0 && cached(&setup).await? > 0);
    Ok(())
}
