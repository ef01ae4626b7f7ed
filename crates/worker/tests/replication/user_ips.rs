//! Synapse is told who was seen, as by a worker of its own.

use std::time::Duration;

use anyhow::Result;
use key_backup_testkit::{Account, http::Request};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{backup::until, deployment::Deployment, setup::Setup};

const VERSION: &str = "/_matrix/client/v3/room_keys/version";

fn request(access_token: &str, ip: &str, user_agent: &str) -> Request {
    let request = Request::new("GET", VERSION).bearer(access_token);
    request.header("X-Forwarded-For", ip).header("User-Agent", user_agent)
}

#[tokio::test]
async fn requests_to_the_worker_alone_move_what_synapse_knows_of_a_user() -> Result<()> {
    let deployment = Deployment::start("track_puppeted_user_ips: true\n").await?;
    let alice = deployment.synapse.register("alice").await?;
    let client = deployment.worker.client();
    client.send(request(&alice.access_token, "192.0.2.7, 10.0.0.1", "Element")).await?;
    seen(&deployment, &alice.user_id, &alice.access_token, "192.0.2.7", Some(&alice.device_id)).await?;
    until("the device was seen", async || {
        let device = "SELECT 1 FROM devices WHERE user_id = $1 AND device_id = $2 AND ip = '192.0.2.7' AND user_agent = 'Element'
                         AND last_seen > extract(epoch FROM now()) * 1000 - 60000";
        Ok(deployment.sql.query_opt(device, &[&alice.user_id, &alice.device_id]).await?.is_some())
    })
    .await?;
    let target = format!("/_synapse/admin/v1/users/{}/login", alice.user_id);
    let puppet = deployment.administrate("POST", &target, json!({})).await?;
    let token = puppet["access_token"].as_str().unwrap_or_default();
    client.send(request(token, "192.0.2.8", "Element")).await?;
    // The admin who puppets has no device of the user's.
    seen(&deployment, &deployment.root.user_id, token, "192.0.2.8", None).await?;
    seen(&deployment, &alice.user_id, token, "192.0.2.8", None).await
}

async fn seen(
    deployment: &Deployment,
    user: &str,
    token: &str,
    ip: &str,
    device: Option<&str>,
) -> Result<()> {
    until(&format!("{user} was seen at {ip}"), async || {
        let row = "SELECT 1 FROM user_ips WHERE user_id = $1 AND access_token = $2 AND ip = $3
                      AND device_id IS NOT DISTINCT FROM $4 AND user_agent = 'Element'";
        Ok(deployment.sql.query_opt(row, &[&user, &token, &ip, &device]).await?.is_some())
    })
    .await
}

/// What is published on the channel for Synapse.
struct Heard(TcpStream);

impl Heard {
    async fn subscribe(setup: &Setup) -> Result<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", setup.redis.address().port)).await?;
        stream.write_all(b"SUBSCRIBE example.com/USER_IP\r\n").await?;
        let mut heard = Self(stream);
        while !heard.next().await?.ends_with(":1\r\n") {}
        Ok(heard)
    }

    async fn next(&mut self) -> Result<String> {
        let mut buffer = vec![0; 4096];
        let length = timeout(Duration::from_secs(5), self.0.read(&mut buffer)).await??;
        Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    /// The users and addresses told of, up to the one with a mark.
    async fn until(&mut self, mark: &str) -> Result<Vec<String>> {
        let mut text = String::new();
        while !text.contains(mark) {
            text += &self.next().await?;
        }
        Ok(text.lines().filter(|line| line.starts_with("USER_IP ")).map(str::to_owned).collect())
    }
}

fn told(lines: &[String], account: &Account, ip: &str) -> usize {
    let of = format!("USER_IP {} [\"{}\",\"{ip}\",", account.user_id, account.access_token);
    lines.iter().filter(|line| line.starts_with(&of)).count()
}

#[tokio::test]
async fn a_user_is_told_of_once_in_two_minutes_for_each_token_and_address() -> Result<()> {
    let setup = Setup::start().await?;
    setup.subscribed().await?;
    let mut heard = Heard::subscribe(&setup).await?;
    let second = setup.database.add_device(&setup.alice.user_id).await?;
    let client = setup.worker.client();
    for _ in 0..3 {
        for (account, ip) in
            [(&setup.alice, "192.0.2.1"), (&setup.alice, "192.0.2.2"), (&second, "192.0.2.1")]
        {
            client.send(request(&account.access_token, ip, "Element")).await?;
        }
        client.send(request(&setup.alice.access_token, "192.0.2.3", "sync-v3-proxy-")).await?;
        client.send(request("unknown", "192.0.2.4", "Element")).await?;
    }
    client.send(request(&setup.alice.access_token, "192.0.2.99", "Element")).await?;
    let lines = heard.until("192.0.2.99").await?;
    for (account, ip) in [(&setup.alice, "192.0.2.1"), (&setup.alice, "192.0.2.2"), (&second, "192.0.2.1")] {
        assert_eq!(told(&lines, account, ip), 1, "{lines:?}");
    }
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[0].contains(&format!(",\"Element\",\"{}\",", setup.alice.device_id)), "{lines:?}");
    let said = ["command=\"USER_IP\""];
    let name = "synapse_replication_tcp_protocol_outbound_commands_total";
    until("the notes are counted", async || Ok(setup.worker.metric(name, &said).await? > 3)).await
}

#[tokio::test]
async fn a_puppeted_user_is_not_told_of_unless_synapse_is_told_to() -> Result<()> {
    for (yaml, users) in [("", 2), ("track_puppeted_user_ips: true", 3)] {
        let setup = Setup::start_with(yaml).await?;
        setup.subscribed().await?;
        let mut heard = Heard::subscribe(&setup).await?;
        let admin = setup.database.add_user("admin").await?;
        let token = setup.database.add_puppet_token(&admin.user_id, &setup.alice.user_id).await?;
        let client = setup.worker.client();
        client.send(request(&token, "192.0.2.1", "Element")).await?;
        client.send(request(&admin.access_token, "192.0.2.99", "Element")).await?;
        let lines = heard.until("192.0.2.99").await?;
        assert_eq!(lines.len(), users, "{lines:?}");
        assert!(lines[0].starts_with(&format!("USER_IP {} ", admin.user_id)), "{lines:?}");
    }
    Ok(())
}

#[tokio::test]
async fn notes_that_redis_does_not_take_are_counted_as_dropped() -> Result<()> {
    let mut setup = Setup::start().await?;
    setup.subscribed().await?;
    setup.redis.kill().await?;
    setup.worker.client().send(request(&setup.alice.access_token, "192.0.2.1", "Element")).await?;
    until("the note is dropped", async || {
        Ok(setup.worker.metric("key_backup_user_ips_dropped_total", &[]).await? > 0)
    })
    .await?;
    setup.redis.restart().await?;
    setup.subscribed().await?;
    let mut heard = Heard::subscribe(&setup).await?;
    setup.worker.client().send(request(&setup.alice.access_token, "192.0.2.2", "Element")).await?;
    assert_eq!(heard.until("192.0.2.2").await?.len(), 1);
    Ok(())
}
