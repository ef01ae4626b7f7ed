//! What a handler notes about its request for the request log.

use std::cell::{Cell, OnceCell};

use key_backup_metrics::{RequestMetrics, Work};

use crate::auth::Requester;

/// Filled while a request is served, read once when its answer has left.
pub(crate) struct Record {
    /// Who asked, once that is known.
    pub(crate) requester: OnceCell<Requester>,
    /// Keys in the body of an upload.
    pub(crate) keys_in: Cell<Option<u64>>,
    /// Keys that were new.
    pub(crate) keys_added: Cell<Option<u64>>,
    /// Keys that took the place of a worse one.
    pub(crate) keys_replaced: Cell<Option<u64>>,
    /// Keys that a deletion removed.
    pub(crate) keys_deleted: Cell<Option<u64>>,
    /// Keys that were sent to the client.
    pub(crate) rows_out: Cell<Option<u64>>,
    /// Counts the request.
    pub(crate) metrics: RequestMetrics,
    work: Cell<Work>,
}

impl Record {
    pub(crate) fn new(metrics: RequestMetrics) -> Self {
        Self {
            requester: OnceCell::new(),
            keys_in: Cell::default(),
            keys_added: Cell::default(),
            keys_replaced: Cell::default(),
            keys_deleted: Cell::default(),
            rows_out: Cell::default(),
            metrics,
            work: Cell::default(),
        }
    }

    /// Adds work that was done for the request.
    pub(crate) fn add_work(&self, work: &Work) {
        self.metrics.worked(work);
        self.work.set(self.work.get().plus(work));
    }

    /// Adds keys that were written into the answer.
    pub(crate) fn add_rows_out(&self, rows: u32) {
        self.rows_out.set(Some(self.rows_out.get().unwrap_or(0) + u64::from(rows)));
    }

    /// All work that was done for the request so far.
    pub(crate) fn work(&self) -> Work {
        self.work.get()
    }

    /// The fields that this worker adds to Synapse's line, in the order in which they are written.
    pub(crate) fn extra(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let fields = [
            ("keys_in", &self.keys_in),
            ("keys_added", &self.keys_added),
            ("keys_replaced", &self.keys_replaced),
            ("keys_deleted", &self.keys_deleted),
            ("rows_out", &self.rows_out),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name, value.get()?)))
    }
}
