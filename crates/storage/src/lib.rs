//! Every SQL statement of the worker, and the connections that they run on.
//!
//! [`Database`] is Synapse's database. Each of its public methods is one transaction and, but for the first use of a
//! statement on a connection, one round trip. "Not there" is an `Option` or a variant of an outcome; only what PostgreSQL
//! could not do is a [`StorageError`].

mod accounts;
mod batch;
mod connect;
mod database;
mod databases;
mod diagnose;
mod error;
mod invalidations;
mod keys;
mod lease;
mod outage;
mod pool;
mod privileges;
mod put;
mod rate_override;
mod restore;
mod schema;
mod settings;
mod stored_key;
mod tls;
mod usage;
mod versions;

pub use accounts::{TokenOwner, UserStanding};
pub use connect::{ConnectError, connect};
pub use database::Database;
pub use databases::Databases;
pub use diagnose::ServerFacts;
pub use error::{StorageError, chain};
pub use invalidations::{InvalidationRow, Invalidations};
pub use keys::{Deleted, FoundKey, GetOutcome, Selection};
pub use privileges::Privileges;
pub use put::{PutOutcome, Upload};
pub use rate_override::RateOverride;
pub use restore::{Page, PlacedKey, Position, Visited};
pub use schema::SchemaMismatch;
pub use settings::{
    ChannelBinding, ClientCertificate, ConnectionSettings, DatabaseSettings, Host, Keepalives,
    RootCertificates, SslMode, TargetSessionAttrs, TlsSettings, TlsVersion,
};
pub use stored_key::StoredKey;
pub use tls::TlsError;
pub use usage::{DatabaseUsage, allow_for, held_up, held_up_for, in_time, measured, patiently, used_so_far};
pub use versions::{Count, UncountedVersion, UpdateOutcome, VersionOutcome};
