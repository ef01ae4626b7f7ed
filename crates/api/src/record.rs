//! What a handler notes about its request for the request log.

use std::cell::{Cell, OnceCell};

use key_backup_storage::DatabaseUsage;

use crate::{auth::Requester, cpu::CpuTime};

/// Filled while a request is served, read once when its answer has left.
#[derive(Debug, Default)]
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
    database: Cell<DatabaseUsage>,
    cpu: Cell<CpuTime>,
}

impl Record {
    /// Adds work that was done for the request.
    pub(crate) fn add_work(&self, database: DatabaseUsage, cpu: CpuTime) {
        self.database.set(self.database.get().plus(database));
        self.cpu.set(self.cpu.get().plus(cpu));
    }

    /// Adds keys that were written into the answer.
    pub(crate) fn add_rows_out(&self, rows: u32) {
        self.rows_out.set(Some(self.rows_out.get().unwrap_or(0) + u64::from(rows)));
    }

    pub(crate) fn database(&self) -> DatabaseUsage {
        self.database.get()
    }

    pub(crate) fn cpu(&self) -> CpuTime {
        self.cpu.get()
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
