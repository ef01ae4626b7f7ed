//! The connection to Redis: time limits, and a circuit breaker that leaves a dead Redis alone.

use std::{
    fs, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use key_backup_metrics::Metrics;
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, RedisError,
    TlsCertificates,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use secrecy::ExposeSecret;

use crate::settings::{RedisAddress, RedisSettings, RedisTls};

/// How long a request waits for Redis at the most.
const PATIENCE: Duration = Duration::from_millis(40);

/// How long a Redis that failed is left alone before one request tries it again.
const REST: Duration = Duration::from_secs(1);

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
    /// The files don't hold what they have to, or the address is none.
    #[error("cannot use the redis section")]
    Client(#[from] RedisError),
}

/// Redis as one instance of the worker uses it. It is connected to when it is needed, by each thread on its own.
#[derive(Clone)]
pub struct Redis {
    client: Client,
    breaker: Arc<Breaker>,
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
        Ok(Self { client, breaker: Arc::new(Breaker::new()), metrics })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// A connection of the calling thread, made when it is first used and made again when it breaks.
    pub(crate) fn connection(&self) -> Result<ConnectionManager, RedisError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(1)))
            .set_response_timeout(Some(Duration::from_secs(1)))
            .set_number_of_retries(0);
        ConnectionManager::new_lazy_with_config(self.client.clone(), config)
    }

    /// Runs an operation within the time limit. `None` if it failed, or if Redis failed a moment ago.
    pub(crate) async fn attempt<T>(
        &self,
        operation: &'static str,
        request: impl Future<Output = Result<T, RedisError>>,
    ) -> Option<T> {
        if !self.breaker.lets_pass() {
            return None;
        }
        match tokio::time::timeout(PATIENCE, request).await {
            Ok(Ok(value)) => {
                self.breaker.close();
                self.metrics.cache.breaker_open.set(0);
                Some(value)
            }
            outcome => {
                self.metrics.cache.redis_failed(operation);
                // An answer that is an error (read-only, out of memory) came in time: Redis may go on being asked.
                let answered = matches!(&outcome, Ok(Err(error)) if !error.is_io_error());
                if !answered {
                    self.breaker.open();
                    self.metrics.cache.breaker_open.set(1);
                }
                None
            }
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
    Ok(TlsCertificates { client_tls, root_cert: (!roots.is_empty()).then_some(roots) })
}

fn read(file: &PathBuf) -> Result<Vec<u8>, RedisSetupError> {
    fs::read(file).map_err(|source| RedisSetupError::File { file: file.clone(), source })
}

/// Lets everything pass while it is closed; while it is open, one request each [`REST`].
struct Breaker {
    born: Instant,
    /// Milliseconds after `born`; 0 while closed.
    closed_again: AtomicU64,
}

impl Breaker {
    fn new() -> Self {
        Self { born: Instant::now(), closed_again: AtomicU64::new(0) }
    }

    fn lets_pass(&self) -> bool {
        let closed_again = self.closed_again.load(Ordering::Relaxed);
        if closed_again == 0 {
            return true;
        }
        // Whoever moves the time first is the one that tries.
        self.now() >= closed_again
            && self
                .closed_again
                .compare_exchange(closed_again, self.rested(), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    fn open(&self) {
        self.closed_again.store(self.rested(), Ordering::Relaxed);
    }

    fn close(&self) {
        self.closed_again.store(0, Ordering::Relaxed);
    }

    fn rested(&self) -> u64 {
        self.now() + u64::try_from(REST.as_millis()).unwrap_or(u64::MAX)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
