//! What the storage needs to know to connect, in plain values: the worker reads them from Synapse's
//! `database` section and libpq's defaults.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use secrecy::SecretString;

/// Synapse's `database` section, as far as it concerns this worker.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// Where and as whom to connect.
    pub connection: ConnectionSettings,
    /// Synapse's `cp_min`: connections opened at start; not above the maximum.
    pub min_connections: usize,
    /// Synapse's `cp_max`: the most connections that are ever open at once; at least 1.
    pub max_connections: usize,
    /// `statement_timeout` of each session; zero is no limit, `None` leaves the server's own.
    pub statement_timeout: Option<Duration>,
    /// `idle_in_transaction_session_timeout` of each session; zero is no limit, `None` leaves the server's own.
    pub idle_in_transaction_session_timeout: Option<Duration>,
    /// `false` sets `synchronous_commit` to off: an operator's choice to risk the last moments before a crash.
    pub synchronous_commit: bool,
    /// Synapse's `allow_unsafe_locale`: accept a database whose collation is not `C`.
    pub allow_unsafe_locale: bool,
    /// Synapse's `txn_limit`: a connection is replaced after so many transactions; 0 means never.
    pub txn_limit: u64,
}

/// One connection's parameters, under libpq's names.
#[derive(Debug, Clone)]
pub struct ConnectionSettings {
    /// Tried in turn (or at random with `load_balance_hosts`); never empty.
    pub hosts: Vec<Host>,
    /// `user`.
    pub user: String,
    /// `password`, or what `passfile` holds for the first host.
    pub password: Option<SecretString>,
    /// `dbname`.
    pub dbname: String,
    /// `application_name`, or else `fallback_application_name`.
    pub application_name: String,
    /// `options`: command-line options of the session, in libpq's spelling.
    pub options: Option<String>,
    /// `connect_timeout`, for each address of a host; `None` waits as long as the system does.
    pub connect_timeout: Option<Duration>,
    /// `target_session_attrs`.
    pub target_session_attrs: TargetSessionAttrs,
    /// `load_balance_hosts=random`.
    pub load_balance_hosts: bool,
    /// `keepalives` and its companions; `None` switches them off.
    pub keepalives: Option<Keepalives>,
    /// `tcp_user_timeout`; `None` leaves the system's.
    pub tcp_user_timeout: Option<Duration>,
    /// `channel_binding`.
    pub channel_binding: ChannelBinding,
    /// The `ssl*` keywords.
    pub tls: TlsSettings,
}

/// One place where the server may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A host name or address; `hostaddr`, where given, is what is connected to, `name` what a certificate is checked against.
    Tcp {
        /// `host`, or `hostaddr` where only that is given.
        name: String,
        /// `hostaddr`.
        address: Option<IpAddr>,
        /// `port`.
        port: u16,
    },
    /// A directory with the socket `.s.PGSQL.<port>`.
    Unix {
        /// The directory.
        directory: PathBuf,
        /// `port`.
        port: u16,
    },
}

/// libpq's `channel_binding`: whether a password must prove that nobody sits between server and worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// Where the server offers it.
    Prefer,
    /// Or no connection.
    Require,
}

/// libpq's `target_session_attrs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetSessionAttrs {
    /// Any server will do.
    Any,
    /// Only a server that takes writes (also libpq's `primary`).
    ReadWrite,
}

/// TCP keepalives; `None` leaves the system's value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keepalives {
    /// `keepalives_idle`.
    pub idle: Option<Duration>,
    /// `keepalives_interval`.
    pub interval: Option<Duration>,
    /// `keepalives_count`.
    pub count: Option<u32>,
}

/// The `ssl*` keywords of libpq.
#[derive(Debug, Clone)]
pub struct TlsSettings {
    /// `sslmode`.
    pub mode: SslMode,
    /// `sslrootcert`; where it is set, `require` verifies as `verify-ca` does, as in libpq.
    pub roots: RootCertificates,
    /// `sslcert` and `sslkey`.
    pub client_certificate: Option<ClientCertificate>,
    /// `sslnegotiation=direct`.
    pub direct: bool,
    /// `sslsni`: the server's name is sent in the clear, for proxies that route by it.
    pub server_name_indication: bool,
    /// `ssl_min_protocol_version`.
    pub minimum_version: TlsVersion,
    /// `ssl_max_protocol_version`; not below the minimum.
    pub maximum_version: TlsVersion,
}

/// The versions of TLS that the worker speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// libpq's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// Never TLS.
    Disable,
    /// TLS where the server offers it, unverified (also stands for `allow`).
    Prefer,
    /// Always TLS; as `VerifyCa` if there are root certificates, else unverified.
    Require,
    /// Always TLS; the certificate's chain is verified.
    VerifyCa,
    /// Always TLS; the chain and the host name are verified.
    VerifyFull,
}

/// Whom to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootCertificates {
    /// No root certificate is configured, and libpq's default file does not exist.
    None,
    /// A PEM file.
    File(PathBuf),
    /// `sslrootcert=system`.
    System,
}

/// A certificate by which the worker proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// PEM file with the chain.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}
