//! How many keys a version holds, each count under the etag at which it was right.
//!
//! A count is used only if its etag is the one that PostgreSQL has just returned: then it is right, whoever wrote it down
//! and however long ago. Two things change keys without the etag: Synapse deleting a room, which it tells of, so that all counts of
//! before are void (their *generation* is over); and two of Synapse's processes that compute the same etag. A life span bounds the
//! latter.

mod local;
mod shared;

use std::{sync::Arc, time::Duration};

use key_backup_metrics::{LookUp, Metrics};
use key_backup_model::{BackupVersion, KeyCount, UserId};
use tokio::sync::{Mutex, MutexGuard};

use crate::{Invalidation, Redis};
use local::Local;
use shared::Shared;

/// How many users can count at the same moment without waiting for one another.
const FLIGHTS: usize = 256;

/// What all threads of an instance share of the counts.
pub struct SharedCounts {
    redis: Option<Redis>,
    server_name: String,
    lifetime: Duration,
    local: Local,
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
    shared_generation: Option<u64>,
    local_generation: u64,
}

impl SharedCounts {
    /// `lifetime` is how long a count is used at the most.
    pub fn new(redis: Option<Redis>, server_name: &str, lifetime: Duration, metrics: Arc<Metrics>) -> Self {
        let flights = (0..FLIGHTS).map(|_| Mutex::new(())).collect();
        Self {
            redis,
            server_name: server_name.to_owned(),
            lifetime,
            local: Local::new(lifetime),
            flights,
            metrics,
        }
    }
}

impl Counts {
    /// The counts for the calling thread.
    pub fn of_this_thread(common: Arc<SharedCounts>) -> Self {
        let connect = |redis: &Redis| Shared::new(redis.clone(), &common.server_name, common.lifetime);
        Self { shared: common.redis.as_ref().and_then(connect), common }
    }

    /// The count of a version, or that of the highest version where none is given.
    pub async fn get(&self, user: &UserId, version: Option<BackupVersion>) -> Known {
        let local_generation = self.common.local.generation();
        let shared = match &self.shared {
            Some(shared) => shared.get(user, version).await,
            None => None,
        };
        let (count, shared_generation) =
            shared.unwrap_or_else(|| (self.common.local.get(user, version), None));
        Known { count, shared_generation, local_generation }
    }

    /// Notes how a look-up turned out: `answer` is what PostgreSQL said.
    pub fn note(&self, known: &Known, answer: KeyCount) {
        let result = match known.count {
            None => LookUp::Miss,
            Some(count) if (count.version, count.etag) == (answer.version, answer.etag) => LookUp::Hit,
            Some(_) => LookUp::Stale,
        };
        self.common.metrics.cache.count_looked_up(result);
    }

    /// Remembers a count, unless somebody else has remembered a newer one since `known` was looked up.
    ///
    /// `is_current` says that there is no higher version: what is known of one is of a version that was deleted.
    pub async fn set(&self, user: &UserId, known: &Known, count: KeyCount, is_current: bool) {
        if known.count == Some(count) {
            return;
        }
        self.common.local.set(user, known, count, is_current);
        if let Some(shared) = &self.shared {
            shared.set(user, known, count, is_current).await;
        }
    }

    /// Forgets all of a user's counts: the versions may begin anew.
    pub async fn forget(&self, user: &UserId) {
        self.common.local.forget(user);
        if let Some(shared) = &self.shared {
            shared.forget(user).await;
        }
    }

    /// Waits until nobody else counts for this user. Whoever waited finds the count in [`Self::get`].
    pub async fn flight(&self, user: &UserId) -> MutexGuard<'_, ()> {
        let sum: usize =
            user.as_str().bytes().fold(0, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        self.common.flights[sum % FLIGHTS].lock().await
    }

    /// Drops what may be wrong after an invalidation of Synapse's.
    pub async fn invalidate(&self, invalidation: &Invalidation) {
        match invalidation {
            Invalidation::Account(user) => self.forget(user).await,
            Invalidation::RoomDeleted => {
                self.common.local.next_generation();
                if let Some(shared) = &self.shared {
                    shared.next_generation().await;
                }
            }
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
