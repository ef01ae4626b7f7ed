//! What the Matrix Authentication Service has said, remembered for a short time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use key_backup_metrics::Metrics;
use moka::{Expiry, future::Cache};
use sha2::{Digest, Sha256};
use tokio::{runtime::Handle, sync::Semaphore, time::timeout};

use super::{
    client::{Client, MasSettings, MasSetupError},
    error::{IntrospectionError, MasError},
    failures::Failures,
    introspection::Introspection,
};

/// How many tokens are remembered.
const CAPACITY: u64 = 100_000;

/// Questions that are asked at once, over as many connections.
const QUESTIONS: usize = 128;

/// How long a question waits for its turn.
const PATIENCE: Duration = Duration::from_millis(500);

/// Tokens are kept as their hashes, so that no memory dump shows them.
type Hash = [u8; 32];

/// The Matrix Authentication Service (MAS), which issues the tokens of a homeserver in Synapse's place.
pub struct Mas {
    known: Cache<Hash, Arc<Introspection>>,
    client: Arc<Client>,
    runtime: Handle,
    turns: Arc<Semaphore>,
    failures: Failures,
}

impl Mas {
    /// Prepares for asking. Must be called in a tokio runtime that lives as long as requests come in: all connections
    /// belong to it.
    ///
    /// # Errors
    ///
    /// [`MasSetupError`]; a service that cannot be reached is no error.
    pub fn new(settings: &MasSettings, metrics: Arc<Metrics>) -> Result<Self, MasSetupError> {
        let client = Arc::new(Client::new(settings, metrics)?);
        let known = Cache::builder().max_capacity(CAPACITY).expire_after(Lifetime).build();
        let turns = Arc::new(Semaphore::new(QUESTIONS));
        Ok(Self { known, client, runtime: Handle::current(), turns, failures: Failures::default() })
    }

    /// What MAS has said of a token at most two minutes ago.
    pub(crate) async fn known(&self, token: &str) -> Option<Arc<Introspection>> {
        self.known.get(&hash(token)).await
    }

    /// What MAS says of a token, for who finds it not [`known`](Self::known).
    ///
    /// However many ask about one token, MAS is asked once. Refusals and failures are not remembered.
    pub(crate) async fn introspect(&self, token: &str) -> Result<Arc<Introspection>, Arc<MasError>> {
        let hash = hash(token);
        let (known, client, token) = (self.known.clone(), Arc::clone(&self.client), token.to_owned());
        let turns = Arc::clone(&self.turns);
        // A task of its own: others may wait for the answer after the client who asked first has left.
        let answer = self.runtime.spawn(async move {
            let asked = async {
                let turn = timeout(PATIENCE, turns.acquire()).await;
                let _turn = turn.map_err(|_| IntrospectionError::Busy)?;
                let body = client.ask(&token).await?;
                Introspection::read(&body).map(Arc::new)
            };
            known.try_get_with(hash, asked).await
        });
        let answer = answer.await.unwrap_or_else(|_| Err(Arc::new(IntrospectionError::GivenUp.into())));
        if let Err(error) = &answer
            && error.is_failure()
        {
            self.failures.add(error);
        }
        answer
    }

    /// Has MAS asked again when the token comes the next time.
    pub(super) async fn forget(&self, token: &str) {
        self.known.invalidate(&hash(token)).await;
    }
}

/// Each answer says how long it is good for.
struct Lifetime;

impl Expiry<Hash, Arc<Introspection>> for Lifetime {
    fn expire_after_create(&self, _: &Hash, value: &Arc<Introspection>, _: Instant) -> Option<Duration> {
        Some(value.lifetime())
    }
}

fn hash(token: &str) -> Hash {
    Sha256::digest(token.as_bytes()).into()
}
