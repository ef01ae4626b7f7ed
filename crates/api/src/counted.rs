//! The operations that say how many keys a version holds: with a remembered count if it is right, else with one that PostgreSQL
//! counts, once for all who ask for it at the same moment.

use key_backup_cache::Known;
use key_backup_model::{BackupVersion, UploadRow, UserId, VersionInfo};
use key_backup_storage::{Count, Deleted, PutOutcome, Selection, StorageError, VersionOutcome};
use tokio::sync::MutexGuard;

use crate::AppState;

/// What is known of a count, and the right to count where nothing is.
struct Look<'a> {
    known: Known,
    _flight: Option<MutexGuard<'a, ()>>,
}

impl AppState {
    /// A version, or the current one where none is given.
    pub(crate) async fn version(
        &self,
        user: &UserId,
        version: Option<BackupVersion>,
    ) -> Result<Option<VersionInfo>, StorageError> {
        let known = self.counts.get(user, version).await;
        match self.database.version(user, version, known.count, Count::Never).await? {
            VersionOutcome::UnknownVersion => return Ok(None),
            VersionOutcome::Found(info) => {
                self.counts.note(&known, info.keys);
                return Ok(Some(info));
            }
            VersionOutcome::NotCounted => {}
        }
        let _flight = self.counts.flight(user).await;
        let known = self.counts.get(user, version).await;
        match self.database.version(user, version, known.count, Count::IfNeeded).await? {
            VersionOutcome::Found(info) => {
                self.counts.note(&known, info.keys);
                self.counts.set(user, &known, info.keys, version.is_none()).await;
                Ok(Some(info))
            }
            VersionOutcome::NotCounted | VersionOutcome::UnknownVersion => Ok(None),
        }
    }

    /// See `Database::put_keys`.
    pub(crate) async fn put_keys(
        &self,
        user: &UserId,
        version: BackupVersion,
        rows: &[UploadRow],
    ) -> Result<PutOutcome, StorageError> {
        let Look { known, _flight } = self.look(user, version).await;
        let outcome = self.database.put_keys(user, version, rows, known.count).await?;
        if let PutOutcome::Stored { keys, .. } = outcome {
            self.counts.set(user, &known, keys, true).await;
        }
        Ok(outcome)
    }

    /// See `Database::delete_keys`.
    pub(crate) async fn delete_keys(
        &self,
        user: &UserId,
        version: BackupVersion,
        selection: &Selection,
    ) -> Result<Option<Deleted>, StorageError> {
        let Look { known, _flight } = self.look(user, version).await;
        let deleted = self.database.delete_keys(user, version, selection, known.count).await?;
        if let Some(deleted) = deleted {
            self.counts.set(user, &known, deleted.keys, false).await;
        }
        Ok(deleted)
    }

    /// Where nothing is known, only one at a time goes on to count.
    async fn look(&self, user: &UserId, version: BackupVersion) -> Look<'_> {
        let known = self.counts.get(user, Some(version)).await;
        if known.count.is_some() {
            return Look { known, _flight: None };
        }
        let flight = self.counts.flight(user).await;
        let known = self.counts.get(user, Some(version)).await;
        let still_unknown = known.count.is_none();
        Look { known, _flight: still_unknown.then_some(flight) }
    }
}
