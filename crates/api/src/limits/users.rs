//! What one user may have at once, and how often. Memory stays bounded: whoever has not been seen for a while is forgotten.

use std::{
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use key_backup_metrics::Metrics;
use key_backup_model::UserId;
use key_backup_storage::{Database, RateOverride};
use moka::sync::Cache;
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{LimitSettings, Rate, bucket::Bucket};
use crate::ApiError;

/// Users that are remembered at once.
const USERS: u64 = 20_000;

/// How long after their last request. Every bucket is full again by then.
const IDLE: Duration = Duration::from_mins(10);

/// How long Synapse's override is believed.
const OVERRIDE_LIFETIME: Duration = Duration::from_mins(1);

/// How long the database is not asked again that could not say.
const PAUSE: Duration = Duration::from_secs(1);

/// How long others wait for the answer to the one who asks, far longer than that takes: they hold places meanwhile.
const BRIEFLY: Duration = Duration::from_millis(100);

/// A user may have one of so many places of an instance: so nobody's requests keep all others waiting.
const SHARE: usize = 4;

/// The users of an instance.
pub(crate) struct Users {
    known: Cache<UserId, Arc<User>>,
    settings: LimitSettings,
    metrics: Arc<Metrics>,
}

/// One user's share.
pub(crate) struct User {
    /// Requests that are worked on.
    places: Arc<Semaphore>,
    /// Restores.
    pub(super) restores: Arc<Semaphore>,
    /// Large bodies.
    uploads: Arc<Semaphore>,
    bucket: Option<Bucket>,
    raised: Mutex<Raised>,
}

/// What Synapse's table says of a user, and until when that is believed.
struct Raised {
    until: Instant,
    limit: RaisedTo,
}

enum RaisedTo {
    /// There is no override, or none that allows more.
    Nothing,
    Unlimited,
    Bucket(Bucket),
}

impl Users {
    pub(crate) fn new(settings: &LimitSettings, metrics: Arc<Metrics>) -> Self {
        let known = Cache::builder().max_capacity(USERS).time_to_idle(IDLE).build();
        Self { known, settings: settings.clone(), metrics }
    }

    /// A user, made known where need be.
    pub(crate) fn get(&self, user: &UserId) -> Arc<User> {
        self.known.get_with_by_ref(user, || Arc::new(User::new(&self.settings)))
    }

    /// Counts a request against the user's rate.
    ///
    /// # Errors
    ///
    /// [`ApiError::LimitExceeded`], unless Synapse's table `ratelimit_override` lets this user do more.
    pub(crate) async fn count(&self, user: &User, id: &UserId, database: &Database) -> Result<(), ApiError> {
        let Some(Err(pause)) = user.bucket.as_ref().map(Bucket::take) else { return Ok(()) };
        let pause = match self.take_raised(user, id, database).await {
            Some(Ok(())) => return Ok(()),
            Some(Err(pause)) => pause,
            None => pause,
        };
        self.metrics.limits.refused("rate");
        Err(ApiError::LimitExceeded(pause))
    }

    /// Only who asks too often for the ordinary limit is looked up: an override never lowers it.
    async fn take_raised(
        &self,
        user: &User,
        id: &UserId,
        database: &Database,
    ) -> Option<Result<(), Duration>> {
        let mut raised = timeout(BRIEFLY, user.raised.lock()).await.ok()?;
        if raised.until <= Instant::now() {
            match database.rate_override(id).await {
                Ok(found) => {
                    let limit = self.raised_to(found);
                    *raised = Raised { until: Instant::now() + OVERRIDE_LIFETIME, limit };
                }
                // What it said before goes on to count.
                Err(_) => raised.until = Instant::now() + PAUSE,
            }
        }
        match &raised.limit {
            RaisedTo::Nothing => None,
            RaisedTo::Unlimited => Some(Ok(())),
            RaisedTo::Bucket(bucket) => Some(bucket.take()),
        }
    }

    fn raised_to(&self, found: Option<RateOverride>) -> RaisedTo {
        let Some(found) = found else { return RaisedTo::Nothing };
        let Some(per_second) = NonZeroU32::new(found.messages_per_second) else { return RaisedTo::Unlimited };
        let burst_count = NonZeroU32::new(found.burst_count).unwrap_or(NonZeroU32::MIN);
        match self.settings.rate_limit {
            Some(rate) if per_second > rate.per_second => RaisedTo::Bucket(Bucket::new(Rate {
                per_second,
                burst_count: burst_count.max(rate.burst_count),
            })),
            _ => RaisedTo::Nothing,
        }
    }

    /// Waits, not for long, for one of the user's own places.
    ///
    /// # Errors
    ///
    /// [`ApiError::LimitExceeded`] if the user's other requests take too long.
    pub(crate) async fn place(&self, user: &User) -> Result<OwnedSemaphorePermit, ApiError> {
        let patience = self.settings.max_queue_time;
        if let Ok(Ok(place)) = timeout(patience, Arc::clone(&user.places).acquire_owned()).await {
            return Ok(place);
        }
        self.metrics.limits.refused("user_requests");
        Err(ApiError::LimitExceeded(patience))
    }

    /// Takes one of the places for large bodies.
    ///
    /// # Errors
    ///
    /// [`ApiError::LimitExceeded`] if the user sends as many already.
    pub(crate) fn large_upload(&self, user: &User) -> Result<OwnedSemaphorePermit, ApiError> {
        Arc::clone(&user.uploads).try_acquire_owned().map_err(|_| {
            self.metrics.limits.refused("user_uploads");
            ApiError::LimitExceeded(self.settings.max_queue_time)
        })
    }
}

impl User {
    fn new(settings: &LimitSettings) -> Self {
        let places = |places: usize| Arc::new(Semaphore::new(places));
        Self {
            places: places(settings.max_requests_in_flight.div_ceil(SHARE)),
            restores: places(settings.max_restores_per_user),
            uploads: places(settings.max_large_uploads_per_user),
            bucket: settings.rate_limit.map(Bucket::new),
            raised: Mutex::new(Raised { until: Instant::now(), limit: RaisedTo::Nothing }),
        }
    }

    /// One of the user's places, if one is free.
    pub(crate) fn free_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }
}
