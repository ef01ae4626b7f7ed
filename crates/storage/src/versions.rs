//! The versions of a user's backup: table `e2e_room_keys_versions`.

use key_backup_model::{BackupVersion, Etag, JsonText, KeyCount, UserId, VersionInfo};
use tokio_postgres::Row;

use crate::{Database, StorageError, database::Query};

/// What became of a change of `auth_data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpdateOutcome {
    /// It is done.
    Updated,
    /// The version has another algorithm; nothing was changed.
    OtherAlgorithm,
    /// There is no such version, or it was deleted.
    UnknownVersion,
}

/// What is known of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionOutcome {
    /// It exists.
    Found(VersionInfo),
    /// It exists, but its keys would have to be counted.
    NotCounted(UncountedVersion),
    /// There is no such version, or it was deleted.
    UnknownVersion,
}

/// A version as its row has it: without the number of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UncountedVersion {
    version: BackupVersion,
    etag: Etag,
    algorithm: String,
    auth_data: JsonText,
}

impl UncountedVersion {
    /// The version with its count.
    ///
    /// # Errors
    ///
    /// The version as it is, if `known` is not for this version and its etag.
    pub fn with_count(self, known: Option<KeyCount>) -> Result<VersionInfo, Self> {
        match known {
            Some(keys) if (keys.version, keys.etag) == (self.version, self.etag) => {
                Ok(VersionInfo { keys, algorithm: self.algorithm, auth_data: self.auth_data })
            }
            _ => Err(self),
        }
    }
}

/// Whether PostgreSQL may count the rows of a version, which takes the longer the larger the backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// Only what is known already is used.
    Never,
    /// Where the known count is of another etag.
    IfNeeded,
}

/// The rows are counted only where the caller's count is of another etag: `CASE` leaves the subquery alone otherwise.
macro_rules! select_version {
    ($which:literal) => {
        concat!(
            "SELECT v.version, v.algorithm, v.auth_data, v.etag,
                CASE WHEN NOT $4 OR (v.version = $2 AND coalesce(v.etag, 0) = $3) THEN NULL
                     ELSE (SELECT count(*) FROM e2e_room_keys k WHERE k.user_id = v.user_id AND k.version = v.version)
                END AS counted
             FROM e2e_room_keys_versions v
             WHERE v.user_id = $1 AND v.deleted = 0 ",
            $which
        )
    };
}

const LATEST: Query = Query {
    desc: "get_e2e_room_keys_version_info",
    verb: "SELECT",
    sql: select_version!("ORDER BY v.version DESC LIMIT 1"),
};

const NUMBERED: Query = Query {
    desc: "get_e2e_room_keys_version_info",
    verb: "SELECT",
    sql: select_version!("AND v.version = $5"),
};

/// Deleted versions count, too: a number is never given out twice.
const CREATE: Query = Query {
    desc: "create_e2e_room_keys_version",
    verb: "INSERT",
    sql: "INSERT INTO e2e_room_keys_versions (user_id, version, algorithm, auth_data)
          SELECT $1, coalesce(max(version), 0) + 1, $2, $3 FROM e2e_room_keys_versions WHERE user_id = $1
          RETURNING version",
};

/// Without `auth_data` it only looks, as Synapse's does.
const UPDATE: Query = Query {
    desc: "update_e2e_room_keys_version",
    verb: "UPDATE",
    sql: "WITH found AS (
            SELECT algorithm FROM e2e_room_keys_versions WHERE user_id = $1 AND version = $2 AND deleted = 0),
          changed AS (
            UPDATE e2e_room_keys_versions SET auth_data = $4
             WHERE user_id = $1 AND version = $2 AND deleted = 0 AND algorithm = $3 AND $4::text IS NOT NULL)
          SELECT algorithm FROM found",
};

/// Deleting what is deleted already succeeds; its keys, if Synapse left any, go too.
const DELETE: Query = Query {
    desc: "delete_e2e_room_keys_version",
    verb: "DELETE",
    sql: "WITH version AS (
            UPDATE e2e_room_keys_versions SET deleted = 1 WHERE user_id = $1 AND version = $2 RETURNING version),
          keys AS (
            DELETE FROM e2e_room_keys WHERE user_id = $1 AND version = $2 AND EXISTS (SELECT FROM version))
          SELECT version FROM version",
};

impl Database {
    /// The version of that number, or the current one (the highest that is not deleted) where none is given.
    ///
    /// `known` is used for its count where it is for this version and its present etag.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub async fn version(
        &self,
        user: &UserId,
        version: Option<BackupVersion>,
        known: Option<KeyCount>,
        count: Count,
    ) -> Result<VersionOutcome, StorageError> {
        let (known_version, known_etag) = columns(known);
        let (user, may_count) = (user.as_str(), count == Count::IfNeeded);
        let rows = match version.map(BackupVersion::to_column) {
            None => self.read(LATEST, &[&user, &known_version, &known_etag, &may_count]).await?,
            Some(number) => {
                self.read(NUMBERED, &[&user, &known_version, &known_etag, &may_count, &number]).await?
            }
        };
        Ok(rows.first().map_or(VersionOutcome::UnknownVersion, |row| version_outcome(row, known)))
    }

    /// Counts the keys of a version that Synapse changed while a statement ran, so that its `sum` may be off. That is all that is known of
    /// a version that is gone since.
    pub(crate) async fn count_again(
        &self,
        user: &UserId,
        version: BackupVersion,
        sum: i64,
    ) -> Result<i64, StorageError> {
        Ok(match self.version(user, Some(version), None, Count::IfNeeded).await? {
            VersionOutcome::Found(info) => info.keys.count,
            _ => sum,
        })
    }

    /// Makes a new version and says its number.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub async fn create_version(
        &self,
        user: &UserId,
        algorithm: &str,
        auth_data: &JsonText,
    ) -> Result<BackupVersion, StorageError> {
        let rows = self.change(CREATE, user, &[&user.as_str(), &algorithm, &auth_data.as_str()]).await?;
        let row =
            rows.first().ok_or(StorageError::UnexpectedRow { desc: CREATE.desc, what: "the new version" })?;
        Ok(BackupVersion::from_column(row.get(0)))
    }

    /// Replaces the `auth_data` of a version of that algorithm; `None` leaves it as it is.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub async fn update_version(
        &self,
        user: &UserId,
        version: BackupVersion,
        algorithm: &str,
        auth_data: Option<&JsonText>,
    ) -> Result<UpdateOutcome, StorageError> {
        let auth_data = auth_data.map(JsonText::as_str);
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [&user.as_str(), &version.to_column(), &algorithm, &auth_data];
        let rows = self.change(UPDATE, user, &params).await?;
        Ok(match rows.first().map(|row| row.get::<_, &str>(0)) {
            None => UpdateOutcome::UnknownVersion,
            Some(stored) if stored == algorithm => UpdateOutcome::Updated,
            Some(_) => UpdateOutcome::OtherAlgorithm,
        })
    }

    /// Marks a version as deleted and deletes its keys. `false` if the user never had such a version.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub async fn delete_version(&self, user: &UserId, version: BackupVersion) -> Result<bool, StorageError> {
        let rows = self.change(DELETE, user, &[&user.as_str(), &version.to_column()]).await?;
        Ok(!rows.is_empty())
    }
}

/// A known count as two parameters, NULL where there is none.
fn columns(known: Option<KeyCount>) -> (Option<i64>, Option<i64>) {
    (known.map(|known| known.version.to_column()), known.map(|known| known.etag.get()))
}

fn version_outcome(row: &Row, known: Option<KeyCount>) -> VersionOutcome {
    let version = UncountedVersion {
        version: BackupVersion::from_column(row.get("version")),
        etag: Etag::from_column(row.get("etag")),
        algorithm: row.get("algorithm"),
        auth_data: JsonText::from_column(row.get("auth_data")),
    };
    let counted: Option<i64> = row.get("counted");
    let keys = counted.map(|count| KeyCount { version: version.version, etag: version.etag, count });
    match version.with_count(keys.or(known)) {
        Ok(info) => VersionOutcome::Found(info),
        Err(version) => VersionOutcome::NotCounted(version),
    }
}
