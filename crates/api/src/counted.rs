//! The operations that say how many keys a version holds: with a remembered count if it is right, else with one that PostgreSQL
//! counts, once for all who ask for it at the same moment.

use key_backup_cache::Known;
use key_backup_model::{BackupVersion, KeyCount, UploadRow, UserId, VersionInfo};
use key_backup_storage::{Count, Deleted, PutOutcome, Selection, StorageError, VersionOutcome, patiently};
use tokio::sync::MutexGuard;

use crate::AppState;

/// What is known of a count, and the right to change it.
struct Turn<'a> {
    known: Known,
    _flight: MutexGuard<'a, ()>,
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
                self.counts.note(&known, |known| is_same(known, info.keys));
                return Ok(Some(info));
            }
            VersionOutcome::NotCounted => {}
        }
        let _flight = patiently("wait_for_user", self.counts.flight(user)).await?;
        let known = self.counts.get(user, version).await;
        match self.database.version(user, version, known.count, Count::IfNeeded).await? {
            VersionOutcome::Found(info) => {
                self.counts.note(&known, |known| is_same(known, info.keys));
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
        let Turn { known, _flight } = self.turn(user, version).await?;
        let outcome = self.database.put_keys(user, version, rows, known.count).await?;
        if let PutOutcome::Stored { keys, added, replaced } = outcome {
            let changed = added + replaced > 0;
            let is_right = |known: KeyCount| {
                if changed { keys.etag.follows(known.etag) } else { keys.etag == known.etag }
            };
            self.counts.note(&known, is_right);
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
        let Turn { known, _flight } = self.turn(user, version).await?;
        let deleted = self.database.delete_keys(user, version, selection, known.count).await?;
        if let Some(deleted) = deleted {
            self.counts.note(&known, |known| deleted.keys.etag.follows(known.etag));
            self.counts.set(user, &known, deleted.keys, false).await;
        }
        Ok(deleted)
    }

    /// Waits for the other changes of this user. In PostgreSQL they would wait for one another, too, but each with a connection of its
    /// own, and with a count in hand that is stale when its turn has come.
    async fn turn(&self, user: &UserId, version: BackupVersion) -> Result<Turn<'_>, StorageError> {
        let flight = patiently("wait_for_user", self.counts.flight(user)).await?;
        let known = self.counts.get(user, Some(version)).await;
        Ok(Turn { known, _flight: flight })
    }
}

fn is_same(known: KeyCount, answer: KeyCount) -> bool {
    (known.version, known.etag) == (answer.version, answer.etag)
}
