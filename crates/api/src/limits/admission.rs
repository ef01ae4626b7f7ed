//! So many requests are worked on at once by a thread; a few more wait, not for long, and all others are refused.
//!
//! Who is refused waits as long as those who wait in vain. A refusal costs little, but clients that ask again at once, for all that
//! `Retry-After` says, would keep the server busy with nothing but refusals.

use std::{
    cell::Cell,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

use crate::ApiError;

/// For each request that is worked on, so many may wait.
const WAITING_PER_PLACE: usize = 8;

/// The places of one thread.
pub(crate) struct Admission {
    places: Arc<Semaphore>,
    queue: usize,
    waiting: Cell<usize>,
    patience: Duration,
}

/// The right to be worked on, until it is dropped.
pub(crate) struct Place {
    /// How long it was waited for.
    pub(crate) waited: Duration,
    _permit: OwnedSemaphorePermit,
}

impl Admission {
    pub(crate) fn new(places: usize, patience: Duration) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places)),
            queue: places * WAITING_PER_PLACE,
            waiting: Cell::new(0),
            patience,
        }
    }

    /// Takes a place, or waits for one.
    ///
    /// # Errors
    ///
    /// [`ApiError::Overloaded`] if too many wait already, or none became free in time.
    pub(crate) async fn enter(&self) -> Result<Place, ApiError> {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(Place { waited: Duration::ZERO, _permit: permit });
        }
        if self.waiting.get() >= self.queue {
            sleep(self.patience).await;
            return Err(ApiError::Overloaded);
        }
        let (_waiting, began) = (Waiting::new(&self.waiting), Instant::now());
        match timeout(self.patience, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Place { waited: began.elapsed(), _permit: permit }),
            _ => Err(ApiError::Overloaded),
        }
    }
}

/// Counts one who waits, also if it is given up.
struct Waiting<'a>(&'a Cell<usize>);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a Cell<usize>) -> Self {
        waiting.set(waiting.get() + 1);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
