//! A key as it is stored.

use std::error::Error;

use tokio_postgres::{
    Row,
    types::{FromSql, Type, accepts},
};

/// A key, borrowed from the buffer in which it came from PostgreSQL. Synapse may have stored NULL for a number that
/// a client sent as `null`; it shows it as `null` again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredKey<'a> {
    /// See `key_backup_model::SessionKey`.
    pub first_message_index: Option<i32>,
    /// See `key_backup_model::SessionKey`.
    pub forwarded_count: Option<i32>,
    /// See `key_backup_model::SessionKey`.
    pub is_verified: Option<bool>,
    /// JSON text, in UTF-8 as PostgreSQL has it.
    pub session_data: &'a [u8],
}

/// A text that is only passed on. PostgreSQL has seen to it that it is UTF-8, so that it is not gone through once more.
struct Utf8<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Utf8<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw))
    }

    accepts!(TEXT);
}

impl<'a> StoredKey<'a> {
    /// Reads the four columns of a key, which stand together from column `first` on.
    pub(crate) fn from_row(row: &'a Row, first: usize) -> Self {
        Self::with(row, first, row.get::<_, Utf8<'_>>(first + 3).0)
    }

    /// The same, or `None` if the statement has left `session_data` out.
    pub(crate) fn from_row_if_whole(row: &'a Row, first: usize) -> Option<Self> {
        let session_data: Option<Utf8<'_>> = row.get(first + 3);
        Some(Self::with(row, first, session_data?.0))
    }

    fn with(row: &'a Row, first: usize, session_data: &'a [u8]) -> Self {
        Self {
            first_message_index: row.get(first),
            forwarded_count: row.get(first + 1),
            is_verified: row.get(first + 2),
            session_data,
        }
    }
}
