//! The worker as one object: it is built, which opens its listeners, and then runs until it is told to stop.

use std::sync::{Arc, atomic::AtomicU64};

use actix_web::{App as Service, HttpServer, dev::Server};
use anyhow::Context;
use key_backup_api::{ApiSettings, AppState, Instance, Listeners, Readiness, configure};
use key_backup_cache::SharedCounts;

use crate::{
    backends::Backends,
    config::Config,
    lifecycle::{self, Grace, KEEP_ALIVE, Reload},
    listen::{self, Bound, Listening},
    replication, schema,
    telemetry::LogHandle,
    tls::Certificates,
};

/// A worker whose listeners are open.
pub struct App {
    server: Server,
    reload: Reload,
    grace: Grace,
    schema: schema::Check,
}

impl App {
    /// Checks the database if it can be reached, and opens the listeners.
    ///
    /// # Errors
    ///
    /// A certificate cannot be read, an address cannot be bound, or the database is not one of Synapse's. A database that
    /// cannot be reached is no error: requests are answered with 503 until it can.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        let backends = Backends::prepare(&config)?;
        let threads = backends.databases.threads();
        let mut schema = schema::Check::new(backends.for_checks(), config.database.allow_unsafe_locale);
        schema.first_try().await?;
        let mut certificates = Certificates::default();
        let listening = Listening::open(&config.listeners, &mut certificates)?;
        let grace = Grace(config.own.shutdown_grace);
        let instance = Arc::new(instance(&config, backends, listening.contexts));
        let reloaded = Arc::clone(&instance);
        let state = move || AppState::of_this_thread(Arc::clone(&instance));
        let mut server =
            HttpServer::new(move || Service::new().configure(|service| configure(service, state())))
                .workers(threads)
                .disable_signals()
                .shutdown_timeout(grace.seconds())
                .keep_alive(KEEP_ALIVE)
                .on_connect(listen::note_socket_path);
        for socket in listening.sockets {
            server = match socket {
                Bound::Tcp(socket) => server.listen(socket),
                Bound::Tls(socket, config) => server.listen_rustls_0_23(socket, *config),
                Bound::Unix(socket) => server.listen_uds(socket),
            }
            .context("cannot serve a listener")?;
        }
        let reload = Reload {
            certificates,
            instance: reloaded,
            appservice_files: config.auth.appservice_files,
            server_name: config.server_name,
        };
        Ok(Self { server: server.run(), reload, grace, schema })
    }

    /// Serves until SIGTERM or SIGINT, then finishes what is in flight.
    ///
    /// # Errors
    ///
    /// The database turns out not to be one of Synapse's, or the server fails.
    pub async fn run_until_stopped(self, log: LogHandle) -> anyhow::Result<()> {
        lifecycle::run(self.server, self.reload, self.grace, self.schema, log).await
    }
}

/// Everything that the threads share. Begins to listen to Synapse, if there is a Redis.
fn instance(
    config: &Config,
    Backends { databases, redis, auth, metrics }: Backends,
    listeners: Listeners,
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
    Instance { databases, metrics, settings, listeners, counts, auth, synapse, readiness, requests }
}
