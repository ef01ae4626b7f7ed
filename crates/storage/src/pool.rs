//! Pools of connections, each connection set up the way our statements need it.

use std::{fmt::Write, future::Future, io, pin::Pin, sync::Arc, time::Duration};

use deadpool_postgres::{
    ClientWrapper, Connect, Hook, HookError, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod,
    Runtime, TimeoutType, Timeouts,
};
use tokio::{task::JoinHandle, time::timeout};
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    ConnectError, DatabaseSettings, StorageError, connect,
    error::chain,
    lease::{Lease, Surroundings},
    outage::Outages,
    tls, usage,
};

/// How long a request waits for a connection, and then for one to be made, before it is told to come back.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Everything that is needed to make a pool.
pub(crate) struct PoolFactory {
    config: Config,
    connector: MakeRustlsConnect,
    session: String,
}

impl PoolFactory {
    pub(crate) fn new(settings: &DatabaseSettings) -> Result<Self, ConnectError> {
        let config = connect::config(&settings.connection)?;
        let connector = tls::connector(&settings.connection.tls)?;
        Ok(Self { config, connector, session: session_sql(settings) })
    }

    /// The TLS side of connections.
    pub(crate) fn connector(&self) -> MakeRustlsConnect {
        self.connector.clone()
    }

    /// A pool of at most that many connections, which are opened when they are needed.
    pub(crate) fn pool(&self, connections: usize, outages: &Arc<Outages>) -> Pool {
        let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let session = Session { connector: self.connector.clone(), sql: self.session.clone() };
        let manager = Manager::from_connect(self.config.clone(), session, manager);
        let outages = Arc::clone(outages);
        let is_usable = Hook::sync_fn(move |client: &mut ClientWrapper, metrics| {
            let usable = !client.is_closed() && outages.trusts(metrics.created);
            if usable { Ok(()) } else { Err(HookError::message("it leads to where the server was")) }
        });
        Pool::builder(manager)
            .max_size(connections)
            .runtime(Runtime::Tokio1)
            .pre_recycle(is_usable)
            .build()
            .expect("a runtime is given, which is all that the builder asks for")
    }
}

/// Takes a connection from a pool for one request.
///
/// # Errors
///
/// [`StorageError::Unavailable`] while PostgreSQL is known to be away, or if there is no new connection to be had; [`StorageError::Busy`] if
/// none became free, or the request's time for the database is over.
pub(crate) async fn lease(
    pool: &Pool,
    surroundings: &Arc<Surroundings>,
    desc: &'static str,
) -> Result<Lease, StorageError> {
    surroundings.outages.refuse(desc)?;
    let remaining = usage::remaining();
    let timeouts = Timeouts { wait: Some(PATIENCE), create: Some(PATIENCE), recycle: None };
    match timeout(remaining, pool.timeout_get(&timeouts)).await {
        Ok(Ok(client)) => Ok(Lease::new(client, Arc::clone(surroundings))),
        // A request that had little time left says nothing about the server.
        Err(_) | Ok(Err(PoolError::Timeout(TimeoutType::Wait))) => Err(StorageError::Busy { desc }),
        Ok(Err(error)) => {
            let source = cause(error);
            surroundings.outages.failed(&chain(&*source));
            Err(StorageError::Unavailable { desc, source })
        }
    }
}

/// What kept the pool from making a connection, without the pool's own words around it: they are not an operator's, and repeat what is in them.
fn cause(error: PoolError) -> Arc<dyn std::error::Error + Send + Sync> {
    match error {
        PoolError::Backend(error) => Arc::new(error),
        PoolError::Timeout(_) => Arc::new(io::Error::other("connecting took too long")),
        error => Arc::new(error),
    }
}

/// Makes connections and sets them up: both within the time that the pool gives to a new connection, as a pooler may take logins while its
/// server is away. Says nothing when one ends: outages are told once, and not for each connection.
struct Session {
    connector: MakeRustlsConnect,
    sql: String,
}

impl Connect for Session {
    fn connect(
        &self,
        config: &Config,
    ) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + '_>> {
        let (config, connector) = (config.clone(), self.connector.clone());
        Box::pin(async move {
            let (client, connection) = config.connect(connector).await?;
            let task = tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!("a database connection ended: {}", chain(&error));
                }
            });
            client.batch_execute(&self.sql).await?;
            Ok((client, task))
        })
    }
}

/// Settings of each session. They are `SET` after connecting and not sent as startup options, which `PgBouncer` refuses.
fn session_sql(settings: &DatabaseSettings) -> String {
    // Left to itself PostgreSQL plans our statements anew on every execution, which doubles their cost.
    let mut sql = String::from("SET plan_cache_mode = force_generic_plan;");
    let mut set = |name: &str, value: &str| write!(sql, "SET {name} = {value};").unwrap_or_default();
    if let Some(limit) = settings.statement_timeout {
        set("statement_timeout", &limit.as_millis().to_string());
    }
    if let Some(limit) = settings.idle_in_transaction_session_timeout {
        set("idle_in_transaction_session_timeout", &limit.as_millis().to_string());
    }
    if !settings.synchronous_commit {
        set("synchronous_commit", "off");
    }
    sql
}
