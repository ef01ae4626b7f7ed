//! The worker as one object: it is built, which opens its listeners, and then runs until it is told to stop.

use std::sync::{Arc, atomic::AtomicU64};

use actix_web::{App as Service, HttpServer, dev::Server};
use anyhow::Context;
use key_backup_api::{ApiSettings, AppState, AuthSettings, GuestTokens, Instance, Listeners, Mas, configure};
use key_backup_cache::{Redis, SharedCounts};
use key_backup_metrics::Metrics;
use key_backup_storage::Databases;
use secrecy::ExposeSecret;

use crate::{
    config::{Config, appservices},
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
        let metrics = Arc::new(Metrics::new(&config.server_name).context("cannot register the metrics")?);
        let databases = Databases::new(&config.database, config.own.threads, Arc::clone(&metrics))
            .context("cannot use the database settings")?;
        let threads = databases.threads();
        let for_checks = databases.for_checks().unwrap_or_else(|| databases.of_this_thread());
        let mut schema = schema::Check::new(for_checks, config.database.allow_unsafe_locale);
        schema.first_try().await?;
        let mut certificates = Certificates::default();
        let listening = Listening::open(&config.listeners, &mut certificates)?;
        let grace = Grace(config.own.shutdown_grace);
        let instance = Arc::new(instance(&config, databases, metrics, listening.contexts)?);
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
    databases: Databases,
    metrics: Arc<Metrics>,
    listeners: Listeners,
) -> anyhow::Result<Instance> {
    let redis =
        config.redis.as_ref().map(|settings| Redis::new(settings, Arc::clone(&metrics))).transpose()?;
    let lifetime = config.own.counts_lifetime;
    let counts = SharedCounts::new(redis.clone(), &config.server_name, lifetime, Arc::clone(&metrics));
    let counts = Arc::new(counts);
    let synapse = redis.map(|redis| replication::start(config, redis, &counts, &databases, &metrics));
    let settings = ApiSettings {
        server_name: config.server_name.clone(),
        max_request_body: config.max_request_body,
        cors_max_age: config.own.cors_max_age,
    };
    let auth = auth(config, &metrics)?;
    let requests = AtomicU64::new(0);
    Ok(Instance { databases, metrics, settings, listeners, counts, auth, synapse, requests })
}

fn auth(config: &Config, metrics: &Arc<Metrics>) -> anyhow::Result<AuthSettings> {
    let appservices = appservices::read(&config.auth.appservice_files, &config.server_name)?;
    let guests = config.auth.macaroon_secret.as_ref().map(|secret| GuestTokens::new(secret.expose_secret()));
    let mas = config.mas.as_ref().map(|settings| Mas::new(settings, Arc::clone(metrics))).transpose();
    let mas = mas.context("cannot use matrix_authentication_service")?;
    Ok(AuthSettings::new(appservices, guests, config.auth.account_validity, mas))
}
