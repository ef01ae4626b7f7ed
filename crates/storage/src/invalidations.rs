//! What Synapse has written down of its caches: table `cache_invalidation_stream_by_instance`.
//!
//! A row is written in the transaction that makes it true, a logout's for one. So the table tells even what could not be sent over Redis.

use crate::{Database, StorageError, database::Query};

/// A row of the stream `caches`.
#[derive(Clone, PartialEq, Eq)]
pub struct InvalidationRow {
    /// Its place in the stream; rows may be committed in another order.
    pub stream_id: i64,
    /// The function whose cache is meant.
    pub cache_func: String,
    /// Its arguments, among them access tokens; `None` means all.
    pub keys: Option<Vec<Option<String>>>,
}

const END: Query = Query {
    desc: "get_cache_invalidations",
    verb: "SELECT",
    sql: "SELECT max(stream_id) FROM cache_invalidation_stream_by_instance",
};

const SINCE: Query = Query {
    desc: "get_cache_invalidations",
    verb: "SELECT",
    sql: "SELECT stream_id, cache_func, keys FROM cache_invalidation_stream_by_instance
           WHERE stream_id > $1 ORDER BY stream_id",
};

impl Database {
    /// Where the stream ends; 0 if nothing was ever written.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub async fn end_of_invalidations(&self) -> Result<i64, StorageError> {
        let rows = self.read(END, &[]).await?;
        Ok(rows.first().and_then(|row| row.get(0)).unwrap_or(0))
    }

    /// All rows behind that place.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub async fn invalidations_since(&self, stream_id: i64) -> Result<Vec<InvalidationRow>, StorageError> {
        let rows = self.read(SINCE, &[&stream_id]).await?;
        let row = |row: &tokio_postgres::Row| InvalidationRow {
            stream_id: row.get(0),
            cache_func: row.get::<_, Option<String>>(1).unwrap_or_default(),
            keys: row.get(2),
        };
        Ok(rows.iter().map(row).collect())
    }
}
