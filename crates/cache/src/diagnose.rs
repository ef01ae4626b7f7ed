//! Questions to Redis and, through it, to Synapse, for `doctor`. Each has a time limit.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use redis::{AsyncCommands, RedisError, Script, aio::MultiplexedConnection};
use tokio::time::{sleep, timeout};

use crate::{Line, Redis};

/// How long Redis may take for one answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long Synapse may take to say where it stands.
const SYNAPSE_PATIENCE: Duration = Duration::from_secs(4);

/// How long further processes of Synapse may answer after the first.
const STRAGGLERS: Duration = Duration::from_millis(500);

/// What counts need of Redis, tried on a key of its own.
const COMMANDS: &str = r"
redis.call('HSET', KEYS[1], '1', 'doctor')
redis.call('PEXPIRE', KEYS[1], 1000)
redis.call('PTTL', KEYS[1])
redis.call('HKEYS', KEYS[1])
redis.call('HDEL', KEYS[1], '1')
redis.call('SET', KEYS[1], '1')
return redis.call('GET', KEYS[1])";

/// Why Redis could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum RedisFault {
    /// Nothing came in time.
    #[error("Redis does not answer within {} s", PATIENCE.as_secs())]
    Silent,
    /// It cannot be reached, does not let us in, or refuses a command.
    #[error(transparent)]
    Refused(#[from] RedisError),
}

/// Who is on Synapse's channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replication {
    /// The processes of Synapse that said where their stream `caches` stands.
    pub instances: BTreeSet<String>,
    /// How many listen on `<server_name>/USER_IP`.
    pub user_ip_listeners: u64,
}

impl Redis {
    /// Connects, logs in and pings; says how long the ping took.
    ///
    /// # Errors
    ///
    /// [`RedisFault`].
    pub async fn check_login(&self) -> Result<Duration, RedisFault> {
        let mut connection = self.new_connection().await?;
        let asked = Instant::now();
        within(redis::cmd("PING").query_async::<()>(&mut connection)).await?;
        Ok(asked.elapsed())
    }

    /// Tries the commands by which counts are shared, on a key that nobody reads.
    ///
    /// # Errors
    ///
    /// [`RedisFault`], for one where an ACL or a read-only replica forbids them.
    pub async fn check_commands(&self, server_name: &str) -> Result<(), RedisFault> {
        let mut connection = self.new_connection().await?;
        let key = format!("key_backup:{server_name}:doctor");
        let script = Script::new(COMMANDS);
        within(script.key(&key).invoke_async::<()>(&mut connection)).await?;
        within(connection.hgetall::<_, ()>(format!("{key}:none"))).await?;
        within(connection.del::<_, ()>(&key)).await
    }

    /// Asks all processes of Synapse where they stand, and listens for their answers.
    ///
    /// # Errors
    ///
    /// [`RedisFault`]. Where nobody answers, the instances are empty.
    pub async fn check_replication(&self, server_name: &str) -> Result<Replication, RedisFault> {
        let mut subscription = within(self.client().get_async_pubsub()).await?;
        within(subscription.subscribe(server_name)).await?;
        let mut connection = self.new_connection().await?;
        within(connection.publish::<_, _, ()>(server_name, "REPLICATE ")).await?;
        // Heard there, it is answered as if it had come on the main channel: nothing is recorded by it.
        let user_ip_channel = format!("{server_name}/USER_IP");
        let user_ip_listeners = within(connection.publish(user_ip_channel, "REPLICATE ")).await?;
        let mut instances = BTreeSet::new();
        let mut messages = subscription.on_message();
        let end = sleep(SYNAPSE_PATIENCE);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => break,
                message = messages.next() => {
                    let Some(message) = message else { break };
                    let text = String::from_utf8_lossy(message.get_payload_bytes());
                    if let Line::CachesPosition { instance, .. } = Line::parse(&text) {
                        if instances.is_empty() {
                            end.set(sleep(STRAGGLERS));
                        }
                        instances.insert(instance.to_owned());
                    }
                }
            }
        }
        Ok(Replication { instances, user_ip_listeners })
    }

    async fn new_connection(&self) -> Result<MultiplexedConnection, RedisFault> {
        within(self.client().get_multiplexed_async_connection()).await
    }
}

async fn within<T>(request: impl Future<Output = Result<T, RedisError>>) -> Result<T, RedisFault> {
    match timeout(PATIENCE, request).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(RedisFault::Silent),
    }
}
