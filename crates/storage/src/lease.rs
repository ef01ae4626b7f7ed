//! A connection in the hands of a request: for as long as the request's time for the database lasts.

use std::{
    future::Future,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use deadpool_postgres::{Client, ClientWrapper, Object};
use tokio::{
    runtime::Handle,
    sync::Semaphore,
    time::{error::Elapsed, timeout},
};
use tokio_postgres::Error;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    StorageError,
    error::{chain, is_outage},
    outage::Outages,
    pool::PATIENCE,
    usage,
};

/// How long a query that nobody waits for any more may go on before its connection is closed.
const AFTERLIFE: Duration = Duration::from_mins(1);

/// How long its place in the pool is kept for it: most queries are over in a moment, and a new connection costs more than that.
const SOON: Duration = Duration::from_millis(100);

/// How long it may take to cancel such a query.
const CANCEL_LIMIT: Duration = Duration::from_secs(2);

/// A connection of a pool. Dropped in the middle of a query it does not go back to the pool, where the next one would wait behind that query.
pub(crate) struct Lease {
    /// `None` only while it is dropped.
    client: Option<Client>,
    in_query: AtomicBool,
    pool: Arc<Surroundings>,
}

/// What the connections of a pool share.
pub(crate) struct Surroundings {
    pub(crate) outages: Arc<Outages>,
    /// How many connections may exist besides those in the pool, because a query on them has not ended.
    pub(crate) abandoned: Arc<Semaphore>,
    /// For the connections on which queries are cancelled.
    pub(crate) connector: MakeRustlsConnect,
}

impl Lease {
    pub(crate) fn new(client: Client, pool: Arc<Surroundings>) -> Self {
        Self { client: Some(client), in_query: AtomicBool::new(false), pool }
    }

    /// Runs statements, for as long as the request may still use the database.
    ///
    /// # Errors
    ///
    /// [`StorageError::Unavailable`] if that time is over. The server may go on with the statements; whether they are committed is unknown.
    pub(crate) async fn run<T>(
        &self,
        desc: &'static str,
        statements: impl Future<Output = Result<T, Error>>,
    ) -> Result<Result<T, Error>, StorageError> {
        self.in_query.store(true, Ordering::Relaxed);
        let limit = usage::remaining();
        let result = timeout(limit, statements).await;
        self.in_query.store(result.is_err(), Ordering::Relaxed);
        if self.pool.outages.trusts(self.opened()) {
            self.report(&result, limit);
        }
        result.map_err(|elapsed| StorageError::Unavailable { desc, source: Arc::new(elapsed) })
    }

    /// What fails on a connection from before an outage belongs to that outage. A query that was given little time, as the request had spent
    /// the rest on waiting for its turn, says nothing about the server.
    fn report<T>(&self, result: &Result<Result<T, Error>, Elapsed>, limit: Duration) {
        match result {
            Err(_) if limit < PATIENCE => {}
            Err(_) => self.pool.outages.failed(&"a query took too long"),
            Ok(Err(error)) if is_outage(error) => self.pool.outages.failed(&chain(error)),
            Ok(_) => self.pool.outages.succeeded(),
        }
    }

    fn opened(&self) -> Instant {
        self.client.as_ref().map_or_else(Instant::now, |client| Object::metrics(client).created)
    }
}

impl Deref for Lease {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.client.as_ref().expect("it is taken only by drop")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.in_query.load(Ordering::Relaxed) {
            return;
        }
        // Without a runtime everything ends anyway.
        if let (Some(client), Ok(runtime)) = (self.client.take(), Handle::try_current()) {
            runtime.spawn(outlive(client, Arc::clone(&self.pool)));
        }
    }
}

/// Waits for the end of a query that nobody waits for. Unless that comes soon, its place in the pool is given to another connection, but
/// only so often: the worker must not use up all connections that the server has.
async fn outlive(client: Client, pool: Arc<Surroundings>) {
    if pool.ends(&client, SOON).await {
        return;
    }
    let Ok(_place) = pool.abandoned.try_acquire() else {
        if !pool.ends(&client, AFTERLIFE).await {
            pool.cancel(&client).await;
            drop(Object::take(client));
        }
        return;
    };
    let opened = Object::metrics(&client).created;
    let client = Object::take(client);
    // A query that is only slow, as the deletion of a very large backup, raises a suspicion itself: that alone must not end it.
    let ended = tokio::select! {
        ended = timeout(AFTERLIFE, has_ended(&client)) => ended.is_ok(),
        () = pool.outages.loses(opened) => false,
    };
    if !ended {
        pool.cancel(&client).await;
    }
}

impl Surroundings {
    /// Whether the query on a connection ends within that time, and in good order.
    async fn ends(&self, client: &Client, limit: Duration) -> bool {
        tokio::select! {
            ended = timeout(limit, has_ended(client)) => ended.unwrap_or(false),
            () = self.outages.distrusts(Object::metrics(client).created) => false,
        }
    }

    /// Ends the query on a connection that is to be closed, as well as can be done: a query that waits for a lock does not notice that
    /// its connection is closed. The connection must not be used again, or the next query might be ended in its place.
    async fn cancel(&self, client: &ClientWrapper) {
        let cancel = async {
            if client.cancel_token().cancel_query(self.connector.clone()).await.is_ok() {
                has_ended(client).await;
            }
        };
        // Where the server is away, nothing goes on there either.
        let _ = timeout(CANCEL_LIMIT, cancel).await;
    }
}

/// Statements are answered in their order: the answer to an empty one says that those before it have ended.
async fn has_ended(client: &ClientWrapper) -> bool {
    client.batch_execute("").await.is_ok()
}
