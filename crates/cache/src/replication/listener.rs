//! Listens to Synapse's replication, for ever.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use key_backup_metrics::Metrics;
use redis::{
    AsyncCommands, Msg, RedisError,
    aio::{MultiplexedConnection, PubSubSink, PubSubStream},
};
use tokio::time::{sleep, timeout};

use super::Line;
use crate::{
    Counts, Invalidation, Redis, Tokens, Witness,
    redis::{Connection, Failure},
};

/// How often Redis is asked whether it is still there. Between two answers nothing that was published can have been missed.
const PING_INTERVAL: Duration = Duration::from_millis(200);

/// How long Redis may take to answer, or to let us in.
const PATIENCE: Duration = Duration::from_secs(2);

/// The longest pause between two tries, as Synapse's.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The subscription to Synapse's replication: drops what Synapse says may have changed, and vouches for the tokens
/// while nothing can have been missed.
pub struct Listener<V> {
    redis: Redis,
    publisher: Connection,
    channel: String,
    tokens: Arc<Tokens<V>>,
    counts: Counts,
    metrics: Arc<Metrics>,
}

impl<V: Clone> Listener<V> {
    /// Listens on the channel `server_name`, on which all of Synapse's processes speak.
    pub fn new(
        redis: Redis,
        server_name: &str,
        tokens: Arc<Tokens<V>>,
        counts: Counts,
        metrics: Arc<Metrics>,
    ) -> Self {
        metrics.replication.hears_synapse(false);
        let publisher = redis.connection();
        Self { redis, publisher, channel: server_name.to_owned(), tokens, counts, metrics }
    }

    /// Listens, and begins anew whenever the subscription breaks. Never returns.
    pub async fn run(self) {
        let mut pause = PING_INTERVAL;
        let mut failing = false;
        loop {
            let started = Instant::now();
            let error = self.session().await;
            self.tokens.doubt(Witness::Subscription);
            // Redis may come back with what it held long ago, before any of us is subscribed again.
            self.counts.invalidate(&Invalidation::RoomDeleted).await;
            self.metrics.replication.hears_synapse(false);
            // A session that held resets the pause; an outage is told of once.
            let held = started.elapsed() > LONGEST_PAUSE;
            if held || !failing {
                tracing::warn!("not hearing Synapse, so that every token is asked of PostgreSQL: {error}");
            }
            failing = true;
            pause = if held { PING_INTERVAL } else { (pause * 2).min(LONGEST_PAUSE) };
            sleep(pause).await;
        }
    }

    /// One subscription, until it breaks.
    async fn session(&self) -> SessionError {
        let (mut sink, stream) = match timeout(PATIENCE, self.redis.client().get_async_pubsub()).await {
            Ok(Ok(connection)) => connection.split(),
            Ok(Err(error)) => return error.into(),
            Err(_) => return SessionError::Silent,
        };
        match timeout(PATIENCE, sink.subscribe(&self.channel)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.into(),
            Err(_) => return SessionError::Silent,
        }
        if let Err(failure) = self.ask_for_positions().await {
            return failure.into();
        }
        // Up to here the deletion of a room may have been missed.
        self.counts.invalidate(&Invalidation::RoomDeleted).await;
        tracing::info!("hearing Synapse on the channel {}", self.channel);
        self.metrics.replication.hears_synapse(true);
        self.metrics.replication.subscriptions.inc();
        // In this order: what was heard before an answer to a ping has been dealt with when the answer is looked at.
        tokio::select! {
            biased;
            error = self.hear(stream) => error,
            error = self.vouch(sink) => error,
        }
    }

    /// Every process of Synapse answers with where it stands.
    async fn ask_for_positions(&self) -> Result<(), Failure> {
        let request = async |mut redis: MultiplexedConnection| {
            redis.publish::<_, _, ()>(&self.channel, "REPLICATE ").await
        };
        self.publisher.run(PATIENCE, request).await?;
        self.metrics.replication.said("REPLICATE");
        Ok(())
    }

    /// An answer to a ping comes behind everything that was published before the ping was sent.
    async fn vouch(&self, mut sink: PubSubSink) -> SessionError {
        loop {
            let asked = Instant::now();
            match timeout(PATIENCE, sink.ping::<redis::Value>()).await {
                Ok(Ok(_)) => {
                    self.metrics.cache.redis_last_success.touch();
                    self.tokens.vouch(Witness::Subscription, asked);
                }
                Ok(Err(error)) => return error.into(),
                Err(_) => return SessionError::Silent,
            }
            sleep(PING_INTERVAL).await;
        }
    }

    async fn hear(&self, mut stream: PubSubStream) -> SessionError {
        let mut positions = HashMap::new();
        // Synapse's name for the same work.
        let process = self.metrics.background.process("process-replication-data");
        while let Some(message) = stream.next().await {
            process.run(self.line(&message, &mut positions)).await;
        }
        SessionError::Closed
    }

    async fn line(&self, message: &Msg, positions: &mut HashMap<String, i64>) {
        let bytes = message.get_payload_bytes();
        let text = String::from_utf8_lossy(bytes);
        let line = Line::parse(&text);
        self.metrics.replication.heard(known_command(line.command()));
        if line.command() == "RDATA" {
            self.metrics.replication.heard_row(known_stream(text.split(' ').nth(1).unwrap_or_default()));
        }
        match line {
            Line::CachesRow { instance, token, invalidation } => {
                if let Some(invalidation) = invalidation {
                    self.tokens.invalidate(&invalidation);
                    self.counts.invalidate(&invalidation).await;
                }
                if let Some(token) = token {
                    positions.insert(instance.to_owned(), token);
                }
            }
            Line::CachesPosition { instance, previous, new } => {
                // Where nothing was heard of the instance before, nothing was remembered either.
                let heard = positions.insert(instance.to_owned(), new);
                if heard.is_some_and(|heard| !(previous..=new).contains(&heard)) {
                    self.gap(&format!("rows of {instance} were missed")).await;
                }
            }
            Line::UnreadableCachesRow => self.gap("a row could not be read").await,
            Line::Other(_) => {}
        }
    }

    async fn gap(&self, reason: &str) {
        tracing::warn!("dropping all tokens: {reason}");
        self.metrics.replication.gaps.inc();
        self.tokens.doubt(Witness::Subscription);
        self.counts.invalidate(&Invalidation::RoomDeleted).await;
    }
}

/// The commands that Synapse has: the label of a metric must not come from whoever can publish.
fn known_command(command: &str) -> &str {
    const KNOWN: [&str; 14] = [
        "RDATA",
        "POSITION",
        "REPLICATE",
        "USER_SYNC",
        "CLEAR_USER_SYNC",
        "FEDERATION_ACK",
        "REMOTE_SERVER_UP",
        "LOCK_RELEASED",
        "NEW_ACTIVE_TASK",
        "CANCEL_TASK",
        "PING",
        "NAME",
        "SERVER",
        "ERROR",
    ];
    if KNOWN.contains(&command) { command } else { "other" }
}

/// The streams that Synapse has.
fn known_stream(stream: &str) -> &str {
    const KNOWN: [&str; 20] = [
        "account_data",
        "backfill",
        "caches",
        "device_lists",
        "events",
        "federation",
        "presence",
        "presence_federation",
        "profile_updates",
        "push_rules",
        "pushers",
        "quarantined_media",
        "receipts",
        "sticky_events",
        "thread_subscriptions",
        "to_device",
        "typing",
        "un_partial_stated_event",
        "un_partial_stated_room",
        "user_signature",
    ];
    if KNOWN.contains(&stream) { stream } else { "other" }
}

/// Why a subscription ended.
#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error("Redis closed the connection")]
    Closed,
    #[error("Redis does not answer")]
    Silent,
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error(transparent)]
    Publisher(#[from] Failure),
}
