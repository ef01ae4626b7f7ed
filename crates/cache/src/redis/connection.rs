//! A connection that is made when it is needed, and made anew after it failed.
//!
//! redis-rs has a `ConnectionManager` for this. It keeps a connection on which nothing is ever answered, because it does not see that a
//! caller has stopped waiting; and it keeps the refusal of a login for ever.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use redis::{AsyncConnectionConfig, RedisError, aio::MultiplexedConnection};
use tokio::time::timeout;

use super::Redis;

/// How long a request waits for Redis at the most.
const PATIENCE: Duration = Duration::from_millis(40);

/// How long connecting may take. No request waits for that long: it goes on behind their backs.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);

type Connecting = Shared<BoxFuture<'static, Result<MultiplexedConnection, RedisError>>>;

/// A connection of one thread.
pub(crate) struct Connection {
    redis: Redis,
    current: Mutex<Option<Connecting>>,
}

/// Why Redis did not do something.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// It has answered, with an error: it is read-only, full, or does not allow it.
    #[error("{0}")]
    Refused(RedisError),
    /// It cannot be reached, or does not let us in.
    #[error("{0}")]
    Broken(RedisError),
    /// It does not answer.
    #[error("no answer within {0:?}")]
    Silent(Duration),
}

impl Connection {
    pub(super) fn new(redis: Redis) -> Self {
        Self { redis, current: Mutex::new(None) }
    }

    /// Runs a request on it. After a failure that is not an answer the next request has a new connection.
    pub(crate) async fn run<T>(
        &self,
        patience: Duration,
        request: impl AsyncFnOnce(MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T, Failure> {
        let connecting = self.connecting();
        let answer = async {
            let connection = connecting.clone().await.map_err(Failure::Broken)?;
            let refused = |error: RedisError| {
                if error.is_io_error() { Failure::Broken(error) } else { Failure::Refused(error) }
            };
            request(connection).await.map_err(refused)
        };
        let outcome = timeout(patience, answer).await.unwrap_or(Err(Failure::Silent(patience)));
        if matches!(outcome, Err(Failure::Broken(_) | Failure::Silent(_))) {
            self.leave(&connecting);
        }
        outcome
    }

    /// For a request that a client waits for: within the time limit, and only if Redis did not fail a moment ago. `None` if there is no answer.
    pub(crate) async fn attempt<T>(
        &self,
        operation: &'static str,
        request: impl AsyncFnOnce(MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Option<T> {
        if !self.redis.breaker.lets_pass() {
            return None;
        }
        let started = Instant::now();
        match self.run(PATIENCE, request).await {
            Ok(answer) => {
                self.redis.succeeded(operation, started.elapsed());
                Some(answer)
            }
            Err(failure) => {
                self.redis.failed(operation, &failure);
                None
            }
        }
    }

    fn connecting(&self) -> Connecting {
        let connect = || {
            let client = self.redis.client.clone();
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(CONNECT_PATIENCE))
                .set_response_timeout(None);
            let connect = async move { client.get_multiplexed_async_connection_with_config(&config).await };
            let connecting = connect.boxed().shared();
            // Where connecting takes longer than the request that began it waits, a later one finds it done.
            tokio::spawn(connecting.clone());
            connecting
        };
        self.current().get_or_insert_with(connect).clone()
    }

    /// Gives a connection up, unless it is still being made, or somebody has given it up already.
    fn leave(&self, connecting: &Connecting) {
        let mut current = self.current();
        if connecting.peek().is_some() && current.as_ref().is_some_and(|current| current.ptr_eq(connecting)) {
            *current = None;
        }
    }

    fn current(&self) -> MutexGuard<'_, Option<Connecting>> {
        // Nothing that is done under the lock can leave it half done.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
