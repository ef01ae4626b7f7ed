//! How many keys a version holds, each count under the etag at which it was right.
//!
//! A count is used only if its etag is the one that PostgreSQL has just returned: then it is right, whoever wrote it down
//! and however long ago. Two things change keys without the etag: Synapse deleting a room, which it tells of, so that all counts of
//! before are void (their *generation* is over); and two of Synapse's processes that compute the same etag. A life span bounds the
//! latter. Whatever could not be told to Redis at once is made up for before Redis is believed again.

mod local;
mod shared;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use key_backup_metrics::{Layer, LookUp, Metrics};
use key_backup_model::{BackupVersion, KeyCount, UserId};
use tokio::sync::{Mutex, MutexGuard};

use crate::{Invalidation, Redis};
use local::Local;
use shared::Shared;

/// By how many queues users are told apart: so many that two who are busy at the same moment hardly ever share one.
const FLIGHTS: usize = 4096;

/// What all threads of an instance share of the counts.
pub struct SharedCounts {
    redis: Option<Redis>,
    server_name: String,
    lifetime: Duration,
    local: Local,
    /// How often the counts in Redis have become void, and how many of these times Redis has been told of.
    voided: AtomicU64,
    told: AtomicU64,
    flights: Vec<Mutex<()>>,
    metrics: Arc<Metrics>,
}

/// The counts for one thread: in Redis for all instances, or in the process where there is no Redis, or none that answers.
pub struct Counts {
    shared: Option<Shared>,
    common: Arc<SharedCounts>,
}

/// What is known of a user's count, for one operation.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The newest pair of the version that was asked for, or of the highest version.
    pub count: Option<KeyCount>,
    layer: Layer,
    shared_generation: Option<u64>,
    local_generation: u64,
}

impl SharedCounts {
    /// `lifetime` is how long a count is used at the most. What Redis holds from before is void: a room may have been deleted since.
    pub fn new(redis: Option<Redis>, server_name: &str, lifetime: Duration, metrics: Arc<Metrics>) -> Self {
        let flights = (0..FLIGHTS).map(|_| Mutex::new(())).collect();
        Self {
            redis,
            server_name: server_name.to_owned(),
            lifetime,
            local: Local::new(lifetime),
            voided: AtomicU64::new(1),
            told: AtomicU64::new(0),
            flights,
            metrics,
        }
    }

    /// Drops what may be wrong after a room was deleted, or may have been deleted unheard. Redis is told before it is believed again.
    pub fn void(&self) {
        self.local.next_generation();
        self.voided.fetch_add(1, Ordering::AcqRel);
    }
}

impl Counts {
    /// The counts for the calling thread.
    pub fn of_this_thread(common: Arc<SharedCounts>) -> Self {
        let connect = |redis: &Redis| Shared::new(redis, &common.server_name, common.lifetime);
        Self { shared: common.redis.as_ref().map(connect), common }
    }

    /// What this process remembers of a version's count, or of that of the highest version where none is given. Redis is not asked, so
    /// that it may be older than what another instance has remembered.
    pub fn remembered(&self, user: &UserId, version: Option<BackupVersion>) -> Option<KeyCount> {
        self.common.local.get(user, version)
    }

    /// The newest count of a version that any instance remembers, or that of the highest version where none is given.
    pub async fn get(&self, user: &UserId, version: Option<BackupVersion>) -> Known {
        let local_generation = self.common.local.generation();
        let shared = match self.believed().await {
            Some(shared) => shared.get(user, version).await,
            None => None,
        };
        let layer = if shared.is_some() { Layer::Redis } else { Layer::Process };
        let (count, shared_generation) =
            shared.unwrap_or_else(|| (self.common.local.get(user, version), None));
        Known { count, layer, shared_generation, local_generation }
    }

    /// The counts in Redis, once all are gone that are known to be void.
    async fn believed(&self) -> Option<&Shared> {
        let shared = self.shared.as_ref()?;
        let voided = self.common.voided.load(Ordering::Acquire);
        if self.common.told.load(Ordering::Acquire) < voided {
            shared.next_generation().await?;
            self.common.told.fetch_max(voided, Ordering::AcqRel);
        }
        Some(shared)
    }

    /// Notes how a look-up turned out: whether PostgreSQL said that what is known is right.
    pub fn note(&self, known: &Known, is_right: impl FnOnce(KeyCount) -> bool) {
        let result = match known.count {
            None => LookUp::Miss,
            Some(count) if is_right(count) => LookUp::Hit,
            Some(_) => LookUp::Stale,
        };
        self.common.metrics.cache.count_looked_up(known.layer, result);
    }

    /// Notes that what [`Self::remembered`] said was right. Where it was not, Redis is asked, and the look-up there is noted.
    pub fn note_remembered(&self) {
        self.common.metrics.cache.count_looked_up(Layer::Process, LookUp::Hit);
    }

    /// Remembers a count, unless somebody else has remembered a newer one since `known` was looked up.
    ///
    /// `is_current` says that there is no higher version: what is known of one is of a version that was deleted.
    pub async fn set(&self, user: &UserId, known: &Known, count: KeyCount, is_current: bool) {
        self.common.local.set(user, known, count, is_current);
        if known.count == Some(count) {
            return;
        }
        if let Some(shared) = &self.shared {
            shared.set(user, known, count, is_current).await;
        }
    }

    /// Forgets all of a user's counts: the versions may begin anew.
    pub async fn forget(&self, user: &UserId) {
        self.common.local.forget(user);
        let forgotten = match &self.shared {
            Some(shared) => shared.forget(user).await,
            None => Some(()),
        };
        if forgotten.is_none() {
            self.common.void();
        }
    }

    /// Waits until nobody else of this instance counts for this user. Whoever waited finds the count in [`Self::get`].
    pub async fn flight(&self, user: &UserId) -> MutexGuard<'_, ()> {
        let sum: usize =
            user.as_str().bytes().fold(0, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        self.common.flights[sum % FLIGHTS].lock().await
    }

    /// Drops what may be wrong after an invalidation of Synapse's.
    pub async fn invalidate(&self, invalidation: &Invalidation) {
        match invalidation {
            Invalidation::Account(user) => self.forget(user).await,
            Invalidation::RoomDeleted => self.common.void(),
            Invalidation::Token(_) | Invalidation::User(_) | Invalidation::Everything => {}
        }
    }
}

/// The pair of that version, or of the highest.
fn choose(counts: impl Iterator<Item = KeyCount>, version: Option<BackupVersion>) -> Option<KeyCount> {
    counts
        .filter(|count| version.is_none_or(|version| version == count.version))
        .max_by_key(|count| count.version)
}
