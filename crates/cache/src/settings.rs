//! What the cache needs to know to reach Redis, in plain values: the worker reads them from Synapse's
//! `redis` section.

use std::path::PathBuf;

use secrecy::SecretString;

/// Synapse's `redis` section, where it is enabled.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// Where Redis listens.
    pub address: RedisAddress,
    /// `username`; never without a password.
    pub username: Option<String>,
    /// `password`, or what `password_path` holds. Empty only beside a `username`.
    pub password: Option<SecretString>,
    /// `dbid`: the database to `SELECT`; `None` leaves Redis's own, 0. Channels know no databases.
    pub dbid: Option<u32>,
}

/// Where Redis listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisAddress {
    /// `host` and `port`.
    Tcp {
        /// A name or an address.
        host: String,
        /// From 1.
        port: u16,
        /// `use_tls: true`.
        tls: Option<RedisTls>,
    },
    /// `path`: a Unix socket, always without TLS.
    Unix(PathBuf),
}

/// How to speak TLS with Redis; all files are PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisTls {
    /// `certificate_file` and `private_key_file`.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// `ca_file`: whom to trust.
    pub ca_file: Option<PathBuf>,
    /// `ca_path`: a directory of files with certificates to trust.
    pub ca_path: Option<PathBuf>,
}
