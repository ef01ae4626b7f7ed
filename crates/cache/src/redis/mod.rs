//! Redis: how it is reached, and what is done about its failures.

mod breaker;
mod connection;

use std::{
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use key_backup_metrics::Metrics;
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, RedisError,
    TlsCertificates,
};
use secrecy::ExposeSecret;

use self::breaker::Breaker;
pub(crate) use self::connection::{Connection, Failure};
use crate::settings::{RedisAddress, RedisSettings, RedisTls};

/// Failures are told of in the log at most so often; the metrics have them all.
const COMPLAINT_INTERVAL: Duration = Duration::from_mins(1);

/// Why Redis cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum RedisSetupError {
    /// A file with certificates or keys cannot be read.
    #[error("cannot read {} for Redis", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nobody is to be trusted: it would be found only by connections that fail.
    #[error("no certificate in {} for Redis", place.display())]
    NoCertificate {
        /// `ca_file`, or else `ca_path`.
        place: PathBuf,
    },
    /// The files don't hold what they have to, or the address is none.
    #[error("cannot use the redis section")]
    Client(#[from] RedisError),
}

/// Redis as one instance of the worker uses it. It is connected to when it is needed, by each thread on its own.
#[derive(Clone)]
pub struct Redis {
    client: Client,
    breaker: Arc<Breaker>,
    complained: Arc<Mutex<Option<Instant>>>,
    metrics: Arc<Metrics>,
}

impl Redis {
    /// Reads the certificates and prepares for connecting.
    ///
    /// # Errors
    ///
    /// [`RedisSetupError`]; a Redis that cannot be reached is no error.
    pub fn new(settings: &RedisSettings, metrics: Arc<Metrics>) -> Result<Self, RedisSetupError> {
        let (address, certificates) = match &settings.address {
            RedisAddress::Unix(path) => (ConnectionAddr::Unix(path.clone()), None),
            RedisAddress::Tcp { host, port, tls: None } => (ConnectionAddr::Tcp(host.clone(), *port), None),
            RedisAddress::Tcp { host, port, tls: Some(tls) } => {
                // Synapse verifies nothing. Where the operator says whom to trust, it is verified; else it works as with Synapse.
                let insecure = tls.ca_file.is_none() && tls.ca_path.is_none();
                if insecure {
                    tracing::warn!(
                        "Redis is not verified: whoever stands between can read and change what is sent. \
                         `ca_file` or `ca_path` in the redis section says whom to trust"
                    );
                }
                let address =
                    ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure, tls_params: None };
                (address, Some(certificates(tls)?))
            }
        };
        let info = address.into_connection_info()?.set_redis_settings(login(settings));
        let client = match certificates {
            Some(certificates) => Client::build_with_tls(info, certificates)?,
            None => Client::open(info)?,
        };
        Ok(Self { client, breaker: Arc::new(Breaker::new()), complained: Arc::default(), metrics })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// A connection for the calling thread; nothing is connected yet.
    pub(crate) fn connection(&self) -> Connection {
        Connection::new(self.clone())
    }

    fn succeeded(&self, operation: &'static str, time: Duration) {
        self.breaker.close();
        self.metrics.cache.breaker_open.set(0);
        self.metrics.cache.redis_answered(operation, time);
    }

    /// A Redis that refuses something has answered in time: it may go on being asked.
    fn failed(&self, operation: &'static str, failure: &Failure) {
        self.metrics.cache.redis_failed(operation);
        if !matches!(failure, Failure::Refused(_)) {
            self.breaker.open();
            self.metrics.cache.breaker_open.set(1);
        }
        let mut complained = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        if complained.is_none_or(|when| when.elapsed() > COMPLAINT_INTERVAL) {
            *complained = Some(Instant::now());
            tracing::warn!("going on without Redis, which failed in {operation}: {failure}");
        }
    }
}

fn login(settings: &RedisSettings) -> RedisConnectionInfo {
    let mut login = RedisConnectionInfo::default().set_skip_set_lib_name();
    if let Some(username) = &settings.username {
        login = login.set_username(username);
    }
    if let Some(password) = &settings.password {
        login = login.set_password(password.expose_secret());
    }
    login.set_db(settings.dbid.unwrap_or(0).into())
}

fn certificates(tls: &RedisTls) -> Result<TlsCertificates, RedisSetupError> {
    let client_tls = match &tls.client_certificate {
        None => None,
        Some((chain, key)) => Some(ClientTlsConfig { client_cert: read(chain)?, client_key: read(key)? }),
    };
    let mut roots = Vec::new();
    if let Some(file) = &tls.ca_file {
        roots.extend(read(file)?);
    }
    if let Some(folder) = &tls.ca_path {
        let failed = |source| RedisSetupError::File { file: folder.clone(), source };
        for file in fs::read_dir(folder).map_err(failed)? {
            roots.extend(read(&file.map_err(failed)?.path())?);
            roots.push(b'\n');
        }
    }
    let place = tls.ca_file.as_ref().or(tls.ca_path.as_ref());
    if let Some(place) = place.filter(|_| !has_certificate(&roots)) {
        return Err(RedisSetupError::NoCertificate { place: place.clone() });
    }
    Ok(TlsCertificates { client_tls, root_cert: place.is_some().then_some(roots) })
}

fn has_certificate(pem: &[u8]) -> bool {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    pem.windows(BEGIN.len()).any(|window| window == BEGIN)
}

fn read(file: &PathBuf) -> Result<Vec<u8>, RedisSetupError> {
    fs::read(file).map_err(|source| RedisSetupError::File { file: file.clone(), source })
}
