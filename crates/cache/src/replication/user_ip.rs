//! Tells Synapse who was seen: for `user_ips`, `devices.last_seen` and the monthly active users.

use std::{sync::Arc, time::Duration};

use key_backup_metrics::Metrics;
use key_backup_model::UserId;
use moka::sync::Cache;
use redis::{AsyncCommands, aio::MultiplexedConnection};
use sha2::{Digest, Sha256};
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    time::sleep,
};

use crate::Redis;

/// Synapse's `LAST_SEEN_GRANULARITY`: who was seen is not told again before.
const GRANULARITY: Duration = Duration::from_mins(2);

/// How many are remembered as told of.
const REMEMBERED: u64 = 100_000;

/// How many notes may wait; more are dropped, because a request never waits for this.
const QUEUE: usize = 10_000;

/// How long Redis may take for one note.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long to wait after a note that Redis did not take.
const PAUSE: Duration = Duration::from_millis(100);

/// Synapse's proxy for sliding sync is not a person.
const SYNC_PROXY: &str = "sync-v3-proxy-";

/// Somebody used a token.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Who logged in: for an admin who puppets a user, the admin.
    pub user: &'a UserId,
    /// With which token.
    pub access_token: &'a str,
    /// From where.
    pub ip: &'a str,
    /// With what; empty if the client does not say.
    pub user_agent: &'a str,
    /// The token's device.
    pub device_id: Option<&'a str>,
    /// When, in milliseconds since 1970.
    pub now_ms: i64,
}

/// Takes notes of who was seen; shared by all threads.
pub struct UserIps {
    told: Cache<[u8; 32], ()>,
    queue: Sender<String>,
    metrics: Arc<Metrics>,
}

impl UserIps {
    /// Begins to send notes to the process of Synapse that keeps them, on `<server_name>/USER_IP`.
    ///
    /// Has to be called in the runtime that the sending is to live in.
    pub fn start(redis: &Redis, server_name: &str, metrics: Arc<Metrics>) -> Self {
        let (queue, notes) = channel(QUEUE);
        tokio::spawn(send(redis.clone(), format!("{server_name}/USER_IP"), notes, Arc::clone(&metrics)));
        let told = Cache::builder().max_capacity(REMEMBERED).time_to_live(GRANULARITY).build();
        metrics.cache.client_ips.limit(REMEMBERED);
        Self { told, queue, metrics }
    }

    /// Notes that somebody was seen, unless that was told within the last 120 seconds. Never waits.
    pub fn note(&self, seen: &Seen<'_>) {
        if seen.user_agent == SYNC_PROXY || seen.ip.is_empty() {
            return;
        }
        let is_fresh = self.told.entry(key(seen)).or_insert(()).is_fresh();
        let client_ips = &self.metrics.cache.client_ips;
        client_ips.looked_up(!is_fresh);
        if !is_fresh {
            return;
        }
        client_ips.holds(self.told.entry_count());
        if self.queue.try_send(line(seen)).is_err() {
            self.metrics.replication.user_ips_dropped.inc();
        }
    }
}

/// `USER_IP <user> [<token>, <ip>, <user agent>, <device or null>, <milliseconds>]`
fn line(seen: &Seen<'_>) -> String {
    let Seen { user, access_token, ip, user_agent, device_id, now_ms } = seen;
    let arguments = serde_json::json!([access_token, ip, user_agent, device_id, now_ms]);
    format!("USER_IP {user} {arguments}")
}

/// Tokens are not kept in the clear longer than needed.
fn key(seen: &Seen<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [seen.user.as_str(), seen.access_token, seen.ip] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Publishes notes one after another. One that Redis does not take is lost, as in Synapse; the next comes in two minutes.
async fn send(redis: Redis, channel: String, mut notes: Receiver<String>, metrics: Arc<Metrics>) {
    let connection = redis.connection();
    // Synapse's name for the same work.
    let process = metrics.background.process("send-cmd");
    while let Some(note) = notes.recv().await {
        let publish =
            async |mut redis: MultiplexedConnection| redis.publish::<_, _, ()>(&channel, note).await;
        if process.run(connection.run(PATIENCE, publish)).await.is_ok() {
            metrics.replication.said("USER_IP");
        } else {
            metrics.replication.user_ips_dropped.inc();
            sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen<'a>(user: &'a UserId, access_token: &'a str, ip: &'a str) -> Seen<'a> {
        Seen { user, access_token, ip, user_agent: "Element \"1\"", device_id: None, now_ms: 7 }
    }

    #[test]
    fn a_note_is_a_line_as_synapse_writes_it() {
        let user = UserId::new("@a:s").unwrap();
        assert_eq!(
            line(&seen(&user, "t", "1.2.3.4")),
            r#"USER_IP @a:s ["t","1.2.3.4","Element \"1\"",null,7]"#
        );
    }

    #[test]
    fn a_full_queue_drops_and_counts_and_never_waits() {
        let metrics = Arc::new(Metrics::new("test").unwrap());
        let (queue, mut notes) = channel(2);
        let told = Cache::new(REMEMBERED);
        let user_ips = UserIps { told, queue, metrics: Arc::clone(&metrics) };
        let user = UserId::new("@a:s").unwrap();
        for ip in ["1.1.1.1", "1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4"] {
            user_ips.note(&seen(&user, "t", ip));
        }
        assert_eq!(metrics.replication.user_ips_dropped.get(), 2);
        let waiting = std::iter::from_fn(|| notes.try_recv().ok());
        let waiting: Vec<String> = waiting.collect();
        assert!(waiting[0].contains("1.1.1.1") && waiting[1].contains("2.2.2.2"), "{waiting:?}");
    }
}
