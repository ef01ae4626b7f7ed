//! The operations that say how many keys a version holds: with a remembered count if it is right, else with one that PostgreSQL
//! counts, once for all who ask for it at the same moment.

use key_backup_cache::Known;
use key_backup_model::{BackupVersion, UserId, VersionInfo};
use key_backup_storage::{Count, Deleted, Selection, StorageError, VersionOutcome, patiently};
use tokio::sync::MutexGuard;

use crate::AppState;

/// What is known of a count, and the right to change it.
pub(crate) struct Turn<'a> {
    pub(crate) known: Known,
    _flight: MutexGuard<'a, ()>,
}

impl AppState {
    /// A version, or the current one where none is given. Most often what this process remembers of its count is right, and Redis
    /// need not be asked.
    pub(crate) async fn version(
        &self,
        user: &UserId,
        version: Option<BackupVersion>,
    ) -> Result<Option<VersionInfo>, StorageError> {
        let remembered = self.counts.remembered(user, version);
        let row = match self.database.version(user, version, remembered, Count::Never).await? {
            VersionOutcome::UnknownVersion => return Ok(None),
            VersionOutcome::Found(info) => {
                self.counts.note_remembered();
                return Ok(Some(info));
            }
            VersionOutcome::NotCounted(row) => row,
        };
        let known = self.counts.get(user, version).await;
        let Ok(info) = row.with_count(known.count) else { return self.counted_version(user, version).await };
        self.counts.note(&known, |_| true);
        self.counts.set(user, &known, info.keys, version.is_none()).await;
        Ok(Some(info))
    }

    async fn counted_version(
        &self,
        user: &UserId,
        version: Option<BackupVersion>,
    ) -> Result<Option<VersionInfo>, StorageError> {
        let _flight = patiently("wait_for_user", self.counts.flight(user)).await?;
        let known = self.counts.get(user, version).await;
        match self.database.version(user, version, known.count, Count::IfNeeded).await? {
            VersionOutcome::Found(info) => {
                self.counts.note(&known, |known| known == info.keys);
                self.counts.set(user, &known, info.keys, version.is_none()).await;
                Ok(Some(info))
            }
            VersionOutcome::NotCounted(_) | VersionOutcome::UnknownVersion => Ok(None),
        }
    }

    /// See `Database::delete_keys`.
    pub(crate) async fn delete_keys(
        &self,
        user: &UserId,
        version: BackupVersion,
        selection: &Selection,
    ) -> Result<Option<Deleted>, StorageError> {
        let Turn { known, _flight } = patiently("wait_for_user", self.turn(user, version)).await?;
        let deleted = self.database.delete_keys(user, version, selection, known.count).await?;
        if let Some(deleted) = deleted {
            self.counts.note(&known, |known| deleted.keys.etag.follows(known.etag));
            self.counts.set(user, &known, deleted.keys, false).await;
        }
        Ok(deleted)
    }

    /// Waits for the other changes of this user that this instance makes.
    pub(crate) async fn turn(&self, user: &UserId, version: BackupVersion) -> Turn<'_> {
        let flight = self.counts.flight(user).await;
        let known = self.counts.get(user, Some(version)).await;
        Turn { known, _flight: flight }
    }
}
