//! The worker as one object: it is built, which opens its listeners, and then runs until it is told to stop.

use std::sync::{Arc, atomic::AtomicU64};

use anyhow::Context;
use key_backup_api::{ApiSettings, Instance, Limits, Listeners, Readiness};
use key_backup_cache::SharedCounts;
use key_backup_traces::Traces;

use crate::{
    backends::Backends,
    config::Config,
    lifecycle::{self, Grace, Reload},
    listen::Listening,
    replication, schema,
    serve::Serving,
    telemetry::LogHandle,
    tls::Certificates,
    watchdog::Watchdog,
};

/// A worker whose listeners are open.
pub struct App {
    serving: Serving,
    reload: Reload,
    grace: Grace,
    schema: schema::Check,
    watchdog: Option<Watchdog>,
}

impl App {
    /// Checks the database if it can be reached, and opens the listeners.
    ///
    /// # Errors
    ///
    /// A certificate cannot be read, an address cannot be bound, or the database is not one of Synapse's. A database that
    /// cannot be reached is no error: requests are answered with 503 until it can.
    pub async fn build(config: Config, traces: Option<Traces>) -> anyhow::Result<Self> {
        let backends = Backends::prepare(&config)?;
        let threads = backends.databases.threads();
        let process = backends.metrics.background.process("check-schema");
        let mut schema =
            schema::Check::new(backends.for_checks(), config.database.allow_unsafe_locale, process);
        schema.first_try().await?;
        let mut certificates = Certificates::default();
        let listening = Listening::open(&config.listeners, &mut certificates)?;
        let grace = Grace(config.own.shutdown_grace);
        let instance = Arc::new(instance(&config, backends, listening.contexts, traces));
        let watchdog = Watchdog::of_environment(threads);
        let serving =
            Serving::begin(listening.sockets, &instance, config.own.max_connections, watchdog.as_ref())
                .context("cannot serve a listener")?;
        let reload = Reload {
            certificates,
            instance,
            appservice_files: config.auth.appservice_files,
            server_name: config.server_name,
        };
        Ok(Self { serving, reload, grace, schema, watchdog })
    }

    /// Serves until SIGTERM or SIGINT, then finishes what is in flight.
    ///
    /// # Errors
    ///
    /// The database turns out not to be one of Synapse's, or the server fails.
    pub async fn run_until_stopped(self, log: LogHandle) -> anyhow::Result<()> {
        lifecycle::run(self.serving, self.reload, self.grace, self.schema, self.watchdog, log).await
    }
}

/// Everything that the threads share. Begins to listen to Synapse, if there is a Redis.
fn instance(
    config: &Config,
    Backends { databases, redis, auth, metrics }: Backends,
    listeners: Listeners,
    traces: Option<Traces>,
) -> Instance {
    let lifetime = config.own.counts_lifetime;
    let counts = SharedCounts::new(redis.clone(), &config.server_name, lifetime, Arc::clone(&metrics));
    let counts = Arc::new(counts);
    let synapse = redis.map(|redis| replication::start(config, redis, &counts, &databases, &metrics));
    let settings = ApiSettings {
        server_name: config.server_name.clone(),
        max_request_body: config.max_request_body,
        cors_max_age: config.own.cors_max_age,
    };
    let requests = AtomicU64::new(0);
    let readiness = Readiness::default();
    let limits = Limits::new(config.own.limits.clone(), Arc::clone(&metrics));
    Instance {
        databases,
        metrics,
        settings,
        listeners,
        counts,
        auth,
        synapse,
        limits,
        readiness,
        traces,
        requests,
    }
}
