//! `worker_listeners`: where the worker answers, and what.

use std::{net::IpAddr, path::PathBuf};

/// One entry of `worker_listeners`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens.
    pub bind: Bind,
    /// What it serves.
    pub kind: ListenerKind,
}

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bind {
    /// `port` on each of some addresses.
    Tcp {
        /// 0 takes a free port.
        port: u16,
        /// `bind_addresses` and `bind_address`; never empty. Where both `::` and `0.0.0.0` are in it (the default
        /// of an `http` listener), a failure to bind `0.0.0.0` is no error, as in Synapse: `::` serves both.
        addresses: Vec<IpAddr>,
    },
    /// `path`: a Unix socket. What a killed process left there is replaced.
    Unix {
        /// The socket.
        path: PathBuf,
        /// Its permissions, whatever the umask.
        mode: u32,
    },
}

/// `type` of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenerKind {
    /// `http`.
    Http(HttpListener),
    /// `metrics`: Prometheus metrics under any path, always without TLS.
    Metrics,
}

/// The options of an `http` listener. `GET /health` is on all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpListener {
    /// `tls: true`: the certificate and key of `tls_certificate_path` and `tls_private_key_path`.
    pub tls: Option<ServerCertificate>,
    /// Whether `X-Forwarded-For` tells the client's address.
    pub x_forwarded: bool,
    /// What stands for the listener in logs: `tag`, or else the port; always `unix` for a Unix socket.
    pub tag: String,
    /// The request header whose value becomes part of the request's id.
    pub request_id_header: Option<String>,
    /// Whether the resources have `client`: the key backup is served.
    pub client: bool,
    /// Whether the resources have `metrics`: `/_synapse/metrics` is served.
    pub metrics: bool,
}

/// PEM files by which a listener proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerCertificate {
    /// `tls_certificate_path`: the chain.
    pub chain: PathBuf,
    /// `tls_private_key_path`.
    pub key: PathBuf,
}
