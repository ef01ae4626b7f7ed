//! Pools of connections, each connection set up the way our statements need it.

use std::{fmt::Write, time::Duration};

use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts,
};
use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{ConnectError, DatabaseSettings, connect, tls};

/// How long a request waits for a connection, or for one to be made, before it is told to come back.
const PATIENCE: Duration = Duration::from_secs(4);

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

    /// A pool of at most that many connections, which are opened when they are needed.
    pub(crate) fn pool(&self, connections: usize) -> Pool {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(self.config.clone(), self.connector.clone(), recycling);
        let session = self.session.clone();
        let set_up = Hook::async_fn(move |client: &mut ClientWrapper, _| {
            let session = session.clone();
            Box::pin(async move { client.batch_execute(&session).await.map_err(HookError::Backend) })
        });
        Pool::builder(manager)
            .max_size(connections)
            .timeouts(Timeouts { wait: Some(PATIENCE), create: Some(PATIENCE), recycle: Some(PATIENCE) })
            .runtime(Runtime::Tokio1)
            .post_create(set_up)
            .build()
            .expect("a runtime is given, which is all that the builder asks for")
    }
}

/// Settings of each session. They are `SET` after connecting and not sent as startup options, which `PgBouncer` refuses.
fn session_sql(settings: &DatabaseSettings) -> String {
    // Left to itself PostgreSQL plans our statements anew on every execution, which doubles their cost.
    let mut sql = String::from("SET plan_cache_mode = force_generic_plan;");
    let mut set = |name: &str, value: &str| write!(sql, "SET {name} = {value};").unwrap_or_default();
    if let Some(timeout) = settings.statement_timeout {
        set("statement_timeout", &timeout.as_millis().to_string());
    }
    if let Some(timeout) = settings.idle_in_transaction_session_timeout {
        set("idle_in_transaction_session_timeout", &timeout.as_millis().to_string());
    }
    if !settings.synchronous_commit {
        set("synchronous_commit", "off");
    }
    sql
}
