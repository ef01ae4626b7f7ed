//! The memory that the bodies of all requests may take together.

use std::sync::Arc;

use key_backup_metrics::Metrics;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ApiError;

/// Memory is given out in pieces of so many bytes.
const PIECE: usize = 16 * 1024;

/// The budget.
pub(crate) struct Bodies {
    pieces: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

/// What one body has taken of the budget; given back when it is dropped.
#[derive(Default)]
pub(crate) struct Reservation {
    permit: Option<OwnedSemaphorePermit>,
}

impl Bodies {
    pub(crate) fn new(bytes: u64, metrics: Arc<Metrics>) -> Self {
        let pieces = usize::try_from(bytes / PIECE as u64).unwrap_or(usize::MAX);
        Self { pieces: Arc::new(Semaphore::new(pieces.clamp(1, Semaphore::MAX_PERMITS))), metrics }
    }

    /// Lets a body grow to that many bytes. Only what has arrived counts: a client that announces much and sends little takes little.
    ///
    /// # Errors
    ///
    /// [`ApiError::Overloaded`] if others have taken the rest.
    pub(crate) fn grow(&self, reservation: &mut Reservation, bytes: usize) -> Result<(), ApiError> {
        let has = reservation.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = bytes.div_ceil(PIECE).saturating_sub(has);
        if more == 0 {
            return Ok(());
        }
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        let Ok(permit) = Arc::clone(&self.pieces).try_acquire_many_owned(more) else {
            self.metrics.limits.refused("body_memory");
            return Err(ApiError::Overloaded);
        };
        match &mut reservation.permit {
            Some(taken) => taken.merge(permit),
            None => reservation.permit = Some(permit),
        }
        Ok(())
    }
}
