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

/// A part of the stream.
#[derive(Default)]
pub struct Invalidations {
    /// Its rows of the functions that were asked for, in their order.
    pub rows: Vec<InvalidationRow>,
    /// Where it ends, whatever the functions; `None` if it has no row.
    pub end: Option<i64>,
}

const END: Query = Query {
    desc: "get_cache_invalidations",
    verb: "SELECT",
    sql: "SELECT max(stream_id) FROM cache_invalidation_stream_by_instance",
};

/// The last row says where the part ends. Most rows of a busy server are of other functions, and stay where they are.
const SINCE: Query = Query {
    desc: "get_cache_invalidations",
    verb: "SELECT",
    sql: "(SELECT stream_id, cache_func, keys FROM cache_invalidation_stream_by_instance
            WHERE stream_id > $1 AND cache_func = ANY($2) ORDER BY stream_id)
          UNION ALL
          SELECT max(stream_id), NULL, NULL FROM cache_invalidation_stream_by_instance WHERE stream_id > $1",
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

    /// What stands behind that place of these functions.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub async fn invalidations_since(
        &self,
        stream_id: i64,
        functions: &[&str],
    ) -> Result<Invalidations, StorageError> {
        let mut invalidations = Invalidations::default();
        for row in self.read(SINCE, &[&stream_id, &functions]).await? {
            match row.get::<_, Option<String>>(1) {
                None => invalidations.end = row.get(0),
                Some(cache_func) => {
                    let (stream_id, keys) = (row.get(0), row.get(2));
                    invalidations.rows.push(InvalidationRow { stream_id, cache_func, keys });
                }
            }
        }
        Ok(invalidations)
    }
}
