//! Bounds on what clients can take: of the instance's threads and memory together, and of each user.
//!
//! A request passes them in this order: `admission` (is there a place for it at all?), then, once it is known who asks, `users` (does this user
//! ask too often, or for too much at once?), then for a body `bodies`, for a restore its own places.

mod admission;
mod bodies;
mod bucket;
mod pace;
mod restore_memory;
mod users;

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use key_backup_metrics::Metrics;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::ApiError;
pub(crate) use admission::{Admission, Place};
use bodies::Bodies;
pub(crate) use bodies::Reservation;
pub use pace::Pace;
pub(crate) use restore_memory::{Memory, RestoreMemory};
pub(crate) use users::{User, Users};

/// What an operator may set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitSettings {
    /// `max_requests_in_flight`: requests of all threads that are worked on at once.
    pub max_requests_in_flight: usize,
    /// `max_queue_time`: how long a request waits for its place, and then for what its user may have at once.
    pub max_queue_time: Duration,
    /// `max_body_memory`: bytes of request bodies that are held at once.
    pub max_body_memory: u64,
    /// `max_restores`: restores that run at once.
    pub max_restores: usize,
    /// `max_restore_memory`: bytes that restores may take together that are not streamed. The others take up to 6 MB each, or 15 MB
    /// where keys are large.
    pub max_restore_memory: u64,
    /// `max_restores_per_user`: of one user.
    pub max_restores_per_user: usize,
    /// `max_large_uploads_per_user`: bodies of more than 1 MiB that one user may send at once.
    pub max_large_uploads_per_user: usize,
    /// `rate_limit`: how often one user may ask; `None` for as often as they like.
    pub rate_limit: Option<Rate>,
    /// `slow_client_timeout`: how long the head of a request may take; and the time over which the next one is looked at.
    pub slow_client_timeout: Duration,
    /// `min_transfer_rate`: bytes a second that a body and an answer have to make at least; zero for any.
    pub min_transfer_rate: u64,
}

/// So many requests a second in the long run, and so many at once after a pause. In Synapse's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// `per_second`.
    pub per_second: NonZeroU32,
    /// `burst_count`.
    pub burst_count: NonZeroU32,
}

/// The bounds of an instance, shared by its threads.
pub struct Limits {
    /// The settings.
    pub settings: LimitSettings,
    pub(crate) users: Users,
    pub(crate) bodies: Bodies,
    pub(crate) restore_memory: RestoreMemory,
    restores: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

/// A restore's places among all restores, and among those of its user.
pub(crate) struct RestorePlace {
    _of_all: OwnedSemaphorePermit,
    _of_user: Option<OwnedSemaphorePermit>,
}

impl Limits {
    /// Nobody has taken anything yet.
    pub fn new(settings: LimitSettings, metrics: Arc<Metrics>) -> Self {
        Self {
            users: Users::new(&settings, Arc::clone(&metrics)),
            bodies: Bodies::new(settings.max_body_memory, Arc::clone(&metrics)),
            restore_memory: RestoreMemory::new(settings.max_restore_memory),
            restores: Arc::new(Semaphore::new(settings.max_restores)),
            settings,
            metrics,
        }
    }

    /// Waits, not for long, until a restore may begin. `user` is `None` for those who are exempt from their own bound.
    pub(crate) async fn restore(&self, user: Option<&User>) -> Result<RestorePlace, ApiError> {
        let patience = self.settings.max_queue_time;
        let of_user = match user {
            None => None,
            Some(user) => match timeout(patience, Arc::clone(&user.restores).acquire_owned()).await {
                Ok(Ok(place)) => Some(place),
                _ => return Err(self.refused("user_restores", ApiError::LimitExceeded(patience))),
            },
        };
        match timeout(patience, Arc::clone(&self.restores).acquire_owned()).await {
            Ok(Ok(of_all)) => Ok(RestorePlace { _of_all: of_all, _of_user: of_user }),
            _ => Err(self.refused("restores", ApiError::Overloaded)),
        }
    }

    /// The rate that clients have to keep up.
    pub fn pace(&self) -> Pace {
        Pace::new(self.settings.slow_client_timeout, self.settings.min_transfer_rate)
    }

    /// Counts a refusal.
    pub(crate) fn refused(&self, reason: &'static str, error: ApiError) -> ApiError {
        self.metrics.limits.refused(reason);
        error
    }
}
