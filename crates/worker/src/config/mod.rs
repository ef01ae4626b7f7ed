//! From Synapse's configuration files to plain settings.
//!
//! Nothing but files is opened here. Keys of Synapse that the worker has no use for are ignored.

pub mod appservices;
mod auth;
mod database;
mod environment;
mod error;
mod files;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod libpq;
mod limits;
mod listener;
mod listeners;
mod logging;
mod mas;
mod node;
mod otlp;
mod own;
mod redis;
mod scalar;
mod secrets;
mod synapse;
mod units;
mod yaml;

use std::path::PathBuf;

use key_backup_api::MasSettings;
use key_backup_cache::RedisSettings;
use key_backup_storage::DatabaseSettings;

pub use self::{
    auth::{AuthConfig, LastSeen},
    environment::Environment,
    error::ConfigError,
    listener::{Bind, HttpListener, Listener, ListenerKind, ServerCertificate},
    logging::{LogFormat, LogOutput, LogSettings},
    own::OwnSettings,
    secrets::InlineSecrets,
};
use self::{
    files::Files,
    node::{Node, or},
};

/// Everything that the worker is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// `server_name`: the homeserver's name in user ids, on Redis channels and in metrics.
    pub server_name: String,
    /// `worker_name`, or else `worker_app`: this worker's name in logs and for others.
    pub worker_name: String,
    /// `worker_listeners`, without those that are not opened: manholes, and metrics where they are not enabled.
    pub listeners: Vec<Listener>,
    /// `enable_metrics`.
    pub enable_metrics: bool,
    /// The longest request body in bytes, by Synapse's rule: 13107200, or `max_upload_size` if that is more and the
    /// media repository is enabled.
    pub max_request_body: usize,
    /// `database`, or the main one of `databases`.
    pub database: DatabaseSettings,
    /// `redis`; `None` where it is not enabled.
    pub redis: Option<RedisSettings>,
    /// Who may enter besides those whom Synapse's tables name.
    pub auth: AuthConfig,
    /// `matrix_authentication_service`; `None` where it is not enabled.
    pub mas: Option<MasSettings>,
    /// Who counts as seen.
    pub last_seen: LastSeen,
    /// From `worker_log_config`.
    pub log: LogSettings,
    /// `key_backup_worker`.
    pub own: OwnSettings,
    /// What the operator should know, each a sentence for the log once there is one.
    pub warnings: Vec<String>,
    /// Top-level keys that have no effect on this worker, sorted: other processes' keys, and misspelled ones.
    pub unused_keys: Vec<String>,
}

impl Config {
    /// Reads files and directories in the order of the command line.
    ///
    /// # Errors
    ///
    /// The first mistake that is found, for standard error; nothing has been opened then.
    pub fn read(
        paths: &[PathBuf],
        inline: InlineSecrets,
        environment: &Environment,
    ) -> Result<Self, ConfigError> {
        let mut warnings = Vec::new();
        let files = Files::read(paths, &mut warnings)?;
        let server_name = synapse::server_name(&files)?;
        let worker_name = synapse::worker_name(&files)?;
        synapse::refuse_what_synapse_refuses(&files)?;
        synapse::warn_of_what_is_ignored(&files, &mut warnings)?;
        let listeners = listeners::read(&files, &mut warnings)?;
        let mut log = logging::read(&files, &mut warnings)?;
        let (mut own, log_format) = own::read(&files)?;
        log.format = log_format.unwrap_or(log.format);
        let max_request_body = synapse::max_request_body(&files)?;
        own::fit_memory(&files, &mut own, max_request_body)?;
        Ok(Self {
            listeners,
            enable_metrics: or(files.get("enable_metrics"), Node::bool, false)?,
            max_request_body,
            database: database::read(&files, environment, &worker_name, &mut warnings)?,
            redis: redis::read(&files, inline)?,
            auth: AuthConfig::read(&files, &server_name, inline, &mut warnings)?,
            mas: mas::read(&files, inline)?,
            last_seen: LastSeen::read(&files)?,
            log,
            own,
            server_name,
            worker_name,
            warnings,
            // Last: by now everything has been asked for.
            unused_keys: files.unused(),
        })
    }
}
