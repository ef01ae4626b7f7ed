//! Whether requests should be sent here.

use std::sync::atomic::{AtomicBool, Ordering};

/// What of an instance's readiness is not asked of the database.
#[derive(Debug, Default)]
pub struct Readiness {
    has_right_schema: AtomicBool,
    is_stopping: AtomicBool,
}

impl Readiness {
    /// The database has been found to be Synapse's.
    pub fn schema_is_right(&self) {
        self.has_right_schema.store(true, Ordering::Relaxed);
    }

    /// The worker has been told to stop: from now on every answer closes its connection.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// Why requests had better be sent elsewhere; `None` if there is no reason.
    pub(crate) fn obstacle(&self, database_is_well: bool) -> Option<&'static str> {
        if self.is_stopping() {
            Some("stopping")
        } else if !database_is_well {
            Some("the database is not available")
        } else if !self.has_right_schema.load(Ordering::Relaxed) {
            Some("the database has not been checked yet")
        } else {
            None
        }
    }
}
