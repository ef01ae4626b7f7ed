//! What the worker talks to, prepared by its settings. Files are read; nothing is connected to yet.

use std::sync::Arc;

use anyhow::Context;
use key_backup_api::{AuthSettings, GuestTokens, Mas};
use key_backup_cache::{Redis, RedisAddress, RedisSettings};
use key_backup_metrics::Metrics;
use key_backup_storage::{Database, Databases};
use secrecy::ExposeSecret;

use crate::{
    config::{Config, ServerCertificate, appservices},
    tls,
};

/// PostgreSQL, Redis and whoever else decides who may enter, and the metrics that they are counted in.
pub(crate) struct Backends {
    pub(crate) databases: Databases,
    /// `None` where Redis is not enabled.
    pub(crate) redis: Option<Redis>,
    pub(crate) auth: AuthSettings,
    pub(crate) metrics: Arc<Metrics>,
}

impl Backends {
    /// Prepares everything that can be wrong without anybody being asked.
    ///
    /// # Errors
    ///
    /// A file cannot be used, or settings don't go together; the message names the file or the section.
    pub(crate) fn prepare(config: &Config) -> anyhow::Result<Self> {
        let metrics = Arc::new(Metrics::new(&config.server_name).context("cannot register the metrics")?);
        let databases = Databases::new(&config.database, config.own.threads, Arc::clone(&metrics))
            .context("cannot use the database settings")?;
        let redis = config.redis.as_ref().map(|settings| redis(settings, &metrics)).transpose()?;
        Ok(Self { databases, redis, auth: auth(config, &metrics)?, metrics })
    }

    /// The database for checks, be it on a connection of the requests.
    pub(crate) fn for_checks(&self) -> Database {
        self.databases.for_checks().unwrap_or_else(|| self.databases.of_this_thread())
    }
}

/// The client of Redis would find only when it connects that a certificate and its key are of no use.
fn redis(settings: &RedisSettings, metrics: &Arc<Metrics>) -> anyhow::Result<Redis> {
    if let RedisAddress::Tcp { tls: Some(tls), .. } = &settings.address
        && let Some((chain, key)) = &tls.client_certificate
    {
        tls::read(&ServerCertificate { chain: chain.clone(), key: key.clone() })
            .context("cannot use the redis section")?;
    }
    Ok(Redis::new(settings, Arc::clone(metrics))?)
}

fn auth(config: &Config, metrics: &Arc<Metrics>) -> anyhow::Result<AuthSettings> {
    let appservices = appservices::read(&config.auth.appservice_files, &config.server_name)?;
    let guests = config.auth.macaroon_secret.as_ref().map(|secret| GuestTokens::new(secret.expose_secret()));
    let mas = config.mas.as_ref().map(|settings| Mas::new(settings, Arc::clone(metrics))).transpose();
    let mas = mas.context("cannot use matrix_authentication_service")?;
    Ok(AuthSettings::new(appservices, guests, config.auth.account_validity, mas))
}
