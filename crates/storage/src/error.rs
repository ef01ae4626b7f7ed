//! What can go wrong with the database, as far as a caller has to know.

use std::{io, sync::Arc};

use tokio_postgres::{Error, error::SqlState};

/// A transaction that did not happen, or of which it is unknown whether it did.
/// Cheap to clone: what befalls a batch is told to all who were in it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StorageError {
    /// PostgreSQL cannot serve now: no connection, shutting down, out of resources, read-only, timed out. It may later.
    #[error("PostgreSQL is not available for {desc}")]
    Unavailable {
        /// The transaction's name.
        desc: &'static str,
        /// What the driver or the pool said.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// It was not done in time: too many requests, or too slow a database. An upload may have been on its way, and be committed all the same;
    /// of anything else nothing was asked of PostgreSQL.
    #[error("others keep the database busy, and the turn of {desc} did not come in time")]
    Busy {
        /// The transaction's name.
        desc: &'static str,
    },
    /// An id is longer than an index of Synapse's can hold (about 2700 bytes, after compression). Nothing was changed.
    #[error("an id is too long for {desc}")]
    IdTooLong {
        /// The transaction's name.
        desc: &'static str,
    },
    /// PostgreSQL refused a statement: a mistake of ours, or a schema that is not Synapse's.
    #[error("PostgreSQL refused {desc}")]
    Refused {
        /// The transaction's name.
        desc: &'static str,
        /// PostgreSQL's own words.
        source: Arc<Error>,
    },
    /// A row is not what it has to be.
    #[error("{desc} met an unexpected row: {what}")]
    UnexpectedRow {
        /// The transaction's name.
        desc: &'static str,
        /// What was expected.
        what: &'static str,
    },
}

impl StorageError {
    /// The runtime has ended a task of an upload: it is unknown whether it was stored.
    pub fn abandoned() -> Self {
        let source = Arc::new(io::Error::other("the worker ended it"));
        Self::Unavailable { desc: "add_e2e_room_keys", source }
    }

    pub(crate) fn from_query(desc: &'static str, source: Error) -> Self {
        if is_outage(&source) {
            Self::Unavailable { desc, source: Arc::new(source) }
        } else if source.code() == Some(&SqlState::PROGRAM_LIMIT_EXCEEDED) {
            Self::IdTooLong { desc }
        } else {
            Self::Refused { desc, source: Arc::new(source) }
        }
    }

    /// A short name for metrics.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "unavailable",
            Self::Busy { .. } => "busy",
            Self::IdTooLong { .. } => "id_too_long",
            Self::Refused { .. } => "refused",
            Self::UnexpectedRow { .. } => "unexpected_row",
        }
    }
}

/// The upload statement divides by zero where the version was deleted under it: see `put.rs`.
const VERSION_VANISHED: SqlState = SqlState::DIVISION_BY_ZERO;

/// Whether the transaction met another one, was rolled back, and may be tried again.
pub(crate) fn is_conflict(error: &Error) -> bool {
    const CONFLICTS: [SqlState; 4] = [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        // Synapse takes no lock: it may have inserted the same version at the same moment.
        SqlState::UNIQUE_VIOLATION,
        VERSION_VANISHED,
    ];
    error.code().is_some_and(|code| CONFLICTS.contains(code))
}

/// Whether PostgreSQL cannot do it now, and may later.
pub(crate) fn is_outage(error: &Error) -> bool {
    let Some(code) = error.code() else {
        // No SQLSTATE: the connection broke, unless a value could not be read.
        return error.is_closed()
            || std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<io::Error>);
    };
    // Classes of SQLSTATE: connections, resources, operator intervention (which holds time limits, too).
    let class = &code.code()[..2];
    ["08", "53", "57"].contains(&class)
        || *code == SqlState::READ_ONLY_SQL_TRANSACTION
        || *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
}

/// An error and everything behind it, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
