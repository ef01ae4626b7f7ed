//! Every SQL statement of the worker, and the connections that they run on.

mod settings;

pub use settings::{
    ClientCertificate, ConnectionSettings, DatabaseSettings, Host, Keepalives, RootCertificates, SslMode,
    TargetSessionAttrs, TlsSettings,
};
