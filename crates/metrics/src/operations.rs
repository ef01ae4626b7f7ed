//! What requests want and what becomes of the keys in them.

use prometheus::{Error, Histogram, IntCounter, IntCounterVec, IntGauge};

use crate::family::{NUMBER_BUCKETS, Registry, counter, counters, gauge, histogram_of};

/// Counts operations, and the keys that they move.
pub struct OperationMetrics {
    operations: IntCounterVec,
    added: IntCounter,
    replaced: IntCounter,
    known: IntCounter,
    refused: IntCounter,
    upload_keys: Histogram,
    deleted: IntCounter,
    restored: IntCounter,
    restored_bytes: IntCounter,
    restores: [IntCounter; 3],
    restores_in_flight: IntGauge,
}

/// How a restore ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreOutcome {
    /// It was sent to the end.
    Complete,
    /// The client closed the connection before.
    ClientLeft,
    /// The worker closed the connection: the backup was deleted, or PostgreSQL failed.
    BrokenOff,
}

/// Keys of an upload that was stored, by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uploaded {
    /// Keys of the upload.
    pub keys: u64,
    /// Those that were not there before.
    pub added: u64,
    /// Those that took the place of a worse one. The others were there already, as good or better.
    pub replaced: u64,
}

impl OperationMetrics {
    #[rustfmt::skip]
    pub(crate) fn new(registry: &Registry) -> Result<Self, Error> {
        let uploaded = counters(registry, "key_backup_keys_uploaded_total", "Keys of uploads by what became of them: added; replaced (a worse one was there); known (one as good was there); refused (the upload's version is not the current one).", &["result"])?;
        let result = |result| uploaded.with_label_values(&[result]);
        let restores = counters(registry, "key_backup_restores_total", "Restores by how they ended: complete, client_left, or broken_off by the worker.", &["outcome"])?;
        Ok(Self {
            operations: counters(registry, "key_backup_operations_total", "Requests by operation and by how they ended: ok, invalid, unauthorized, not_found, wrong_version, rate_limited, unavailable or error.", &["operation", "outcome"])?,
            added: result("added"),
            replaced: result("replaced"),
            known: result("known"),
            refused: result("refused"),
            upload_keys: histogram_of(registry, "key_backup_upload_keys", "Keys of an upload that was stored.", NUMBER_BUCKETS)?,
            deleted: counter(registry, "key_backup_keys_deleted_total", "Keys that clients have deleted; those that go with a version are not counted.")?,
            restored: counter(registry, "key_backup_keys_restored_total", "Keys written into answers.")?,
            restored_bytes: counter(registry, "key_backup_restored_bytes_total", "Bytes of restores' bodies, counted while they are sent. A restore is a request for all keys, or for those of a room.")?,
            restores: ["complete", "client_left", "broken_off"].map(|outcome| restores.with_label_values(&[outcome])),
            restores_in_flight: gauge(registry, "key_backup_restores_in_flight", "Restores that are streamed at the moment.")?,
        })
    }

    /// An operation has ended.
    pub fn ended(&self, operation: &str, outcome: &str) {
        self.operations.with_label_values(&[operation, outcome]).inc();
    }

    /// A request that uploads so many keys was answered.
    pub fn upload(&self, keys: u64) {
        self.upload_keys.observe(f64::from(u32::try_from(keys).unwrap_or(u32::MAX)));
    }

    /// An upload was stored, be it several that were merged.
    pub fn uploaded(&self, Uploaded { keys, added, replaced }: Uploaded) {
        self.added.inc_by(added);
        self.replaced.inc_by(replaced);
        self.known.inc_by(keys.saturating_sub(added + replaced));
    }

    /// An upload of so many keys was refused because of its version.
    pub fn refused(&self, keys: u64) {
        self.refused.inc_by(keys);
    }

    /// So many keys were deleted.
    pub fn deleted(&self, keys: u64) {
        self.deleted.inc_by(keys);
    }

    /// So many keys were written into an answer.
    pub fn restored(&self, keys: u32) {
        self.restored.inc_by(keys.into());
    }

    /// A restore is sent whole.
    pub fn restored_at_once(&self, bytes: u64) {
        self.restored_bytes.inc_by(bytes);
        self.restore_ended(RestoreOutcome::Complete);
    }

    /// A restore of several pages begins; [`Self::long_restore_ended`] has to follow.
    pub fn long_restore_begun(&self) {
        self.restores_in_flight.inc();
    }

    /// A part of a restore's body was handed to the connection.
    pub fn long_restore_sent(&self, bytes: usize) {
        self.restored_bytes.inc_by(bytes as u64);
    }

    /// A restore of several pages has ended.
    pub fn long_restore_ended(&self, outcome: RestoreOutcome) {
        self.restores_in_flight.dec();
        self.restore_ended(outcome);
    }

    fn restore_ended(&self, outcome: RestoreOutcome) {
        self.restores[outcome as usize].inc();
    }
}
