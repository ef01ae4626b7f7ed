//! How statements are run: one round trip each, changes under a lock on their user.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use deadpool_postgres::{Client, Pool};
use futures_util::{TryStreamExt, future::join4};
use key_backup_metrics::Metrics;
use key_backup_model::UserId;
use key_backup_traces as traces;
use tokio_postgres::{Error, Row, Statement, types::ToSql};

use crate::{
    DatabaseUsage, StorageError,
    batch::Batches,
    error::is_conflict,
    lease::{Lease, Surroundings},
    pool, usage,
};

/// Synapse's database. Every public method is one transaction. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    pub(crate) batches: Arc<Batches>,
    surroundings: Arc<Surroundings>,
    metrics: Arc<Metrics>,
}

/// A transaction's name in metrics and errors, its main statement, and the verb of that.
#[derive(Clone, Copy)]
pub(crate) struct Query {
    pub(crate) desc: &'static str,
    pub(crate) verb: &'static str,
    pub(crate) sql: &'static str,
}

pub(crate) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// How often a change that met another one is tried again.
const RETRIES: u32 = 5;

/// The advisory locks that order the changes of each user over all instances. The first key is this worker's own ("kb"
/// in ASCII) and keeps it apart from other programs' locks; users whose hashes collide only wait for each other. All
/// take the locks of several users in the same order, so that no two wait for one another.
///
/// A lock of this kind writes nothing, and it is let go by the commit. Only the statement *after* it sees all that the
/// holder before has committed, which is why it stands alone and in READ COMMITTED.
const LOCK_USERS: &str = "SELECT pg_advisory_xact_lock(27490, hash)
    FROM (SELECT DISTINCT hashtext(user_id) AS hash FROM unnest($1::text[]) AS user_id ORDER BY hash) AS users";

impl Database {
    pub(crate) fn new(pool: Pool, surroundings: Arc<Surroundings>, metrics: Arc<Metrics>) -> Self {
        Self { pool, batches: Arc::default(), surroundings, metrics }
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// How many connections it may have at once.
    pub fn connections(&self) -> usize {
        self.pool.status().max_size
    }

    /// Runs one statement on its own.
    pub(crate) async fn read(&self, query: Query, params: Params<'_>) -> Result<Vec<Row>, StorageError> {
        let client = self.connection(query.desc).await?;
        let started = Instant::now();
        let rows = client.run(query.desc, read(&client, query.sql, params)).await;
        self.ended(query, started, matches!(rows, Ok(Ok(_))));
        rows.map_err(|error| self.failed(error))?
            .map_err(|error| self.failed(StorageError::from_query(query.desc, error)))
    }

    /// Runs one statement on its own, and shows its rows as they come: none of them is kept.
    pub(crate) async fn visit(
        &self,
        query: Query,
        params: Params<'_>,
        visit: impl FnMut(&Row),
    ) -> Result<(), StorageError> {
        let client = self.connection(query.desc).await?;
        let started = Instant::now();
        let visited = client.run(query.desc, visit_rows(&client, query.sql, params, visit)).await;
        self.ended(query, started, matches!(visited, Ok(Ok(()))));
        visited
            .map_err(|error| self.failed(error))?
            .map_err(|error| self.failed(StorageError::from_query(query.desc, error)))
    }

    /// Runs one statement that changes rows of `user`, after every change of that user that was begun before by any
    /// instance.
    pub(crate) async fn change(
        &self,
        query: Query,
        user: &UserId,
        params: Params<'_>,
    ) -> Result<Vec<Row>, StorageError> {
        let client = self.connection(query.desc).await?;
        self.change_with(&client, query, &[user.as_str()], params).await
    }

    /// The same for several users, on a connection that the caller has. A change that met one of Synapse's is tried again.
    pub(crate) async fn change_with(
        &self,
        client: &Lease,
        query: Query,
        users: &[&str],
        params: Params<'_>,
    ) -> Result<Vec<Row>, StorageError> {
        let mut attempt = 0;
        loop {
            let started = Instant::now();
            let rows = client.run(query.desc, change(client, query.sql, users, params)).await;
            self.ended(query, started, matches!(rows, Ok(Ok(_))));
            match rows.map_err(|error| self.failed(error))? {
                Err(error) if attempt < RETRIES && is_conflict(&error) => {
                    attempt += 1;
                    self.metrics.storage.retried(query.desc);
                }
                rows => {
                    return rows.map_err(|error| self.failed(StorageError::from_query(query.desc, error)));
                }
            }
        }
    }

    pub(crate) async fn connection(&self, desc: &'static str) -> Result<Lease, StorageError> {
        let started = Instant::now();
        let lease = pool::lease(&self.pool, &self.surroundings, desc).await;
        let wait = started.elapsed();
        self.metrics.storage.scheduled(wait);
        usage::add(DatabaseUsage { connection_wait: wait, ..DatabaseUsage::default() });
        lease.map_err(|error| self.failed(error))
    }

    fn ended(&self, query: Query, started: Instant, well: bool) {
        let time: Duration = started.elapsed();
        self.metrics.storage.transaction(query.desc, query.verb, time);
        traces::transaction(query.desc, query.verb, time, well);
        if well {
            self.metrics.storage.succeeded();
        }
        usage::add(DatabaseUsage { transactions: 1, transaction_time: time, ..DatabaseUsage::default() });
    }

    /// Counts a statement that so many uploads have shared, with so many keys in all.
    pub(crate) fn count_batch(&self, uploads: usize, keys: usize) {
        self.metrics.storage.batch(uploads, keys);
    }

    /// Counts an error.
    pub(crate) fn failed(&self, error: StorageError) -> StorageError {
        let desc = match &error {
            StorageError::Unavailable { desc, .. }
            | StorageError::Busy { desc }
            | StorageError::IdTooLong { desc }
            | StorageError::Refused { desc, .. }
            | StorageError::UnexpectedRow { desc, .. } => desc,
        };
        self.metrics.storage.failed(desc, error.kind());
        error
    }
}

async fn read(client: &Client, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Error> {
    let statement = client.prepare_cached(sql).await?;
    client.query(&statement, params).await
}

async fn visit_rows(
    client: &Client,
    sql: &str,
    params: Params<'_>,
    mut visit: impl FnMut(&Row),
) -> Result<(), Error> {
    let statement = client.prepare_cached(sql).await?;
    let mut rows = pin!(client.query_raw(&statement, params.iter().copied()).await?);
    while let Some(row) = rows.try_next().await? {
        visit(&row);
    }
    Ok(())
}

/// The four messages leave together: the futures send when they are first polled, in this order, and only then wait.
/// So the transaction ends even if this future is dropped, and it costs a single round trip.
async fn change(client: &Client, sql: &str, users: &[&str], params: Params<'_>) -> Result<Vec<Row>, Error> {
    let lock: Statement = client.prepare_cached(LOCK_USERS).await?;
    let statement = client.prepare_cached(sql).await?;
    let lock_params: [&(dyn ToSql + Sync); 1] = [&users];
    let (begin, locked, rows, commit) = join4(
        client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED"),
        client.execute(&lock, &lock_params),
        client.query(&statement, params),
        // After an error this rolls back, and says nothing: the error is the statement's.
        client.batch_execute("COMMIT"),
    )
    .await;
    begin?;
    locked?;
    let rows = rows?;
    commit?;
    Ok(rows)
}
