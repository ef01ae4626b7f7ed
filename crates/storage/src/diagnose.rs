//! What a server says of itself, for `doctor`.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::{Database, StorageError, database::Query};

/// A server, as a session sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// `server_version`, such as `15.8 (Debian 15.8-0+deb12u1)`.
    pub version: String,
    /// The database's encoding.
    pub encoding: String,
    /// The database's collation.
    pub collation: String,
    /// It takes no writes: a standby, or read-only by its settings.
    pub read_only: bool,
    /// The fastest of a few round trips on an open connection.
    pub round_trip: Duration,
    /// How far the server's clock is ahead of this host's, in milliseconds; negative where it is behind. Good to about half
    /// the round trip.
    pub clock_ahead_ms: i64,
}

/// How many round trips are timed.
const ROUND_TRIPS: usize = 5;

const READ_SERVER: Query = Query {
    desc: "check_server",
    verb: "SELECT",
    sql: "SELECT current_setting('server_version'), pg_encoding_to_char(encoding)::text, datcollate::text,
                 current_setting('transaction_read_only') = 'on'
            FROM pg_database WHERE datname = current_database()",
};

const READ_CLOCK: Query = Query {
    desc: "check_server",
    verb: "SELECT",
    sql: "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint",
};

impl Database {
    /// Asks the server what it is and what time it has.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub async fn server_facts(&self) -> Result<ServerFacts, StorageError> {
        let rows = self.read(READ_SERVER, &[]).await?;
        let server = rows.first().ok_or(StorageError::UnexpectedRow {
            desc: READ_SERVER.desc,
            what: "the database that is connected to",
        })?;
        let mut clock = self.clock().await?;
        for _ in 1..ROUND_TRIPS {
            clock = clock.min(self.clock().await?);
        }
        let (round_trip, clock_ahead_ms) = clock;
        Ok(ServerFacts {
            version: server.get(0),
            encoding: server.get(1),
            collation: server.get(2),
            read_only: server.get(3),
            round_trip,
            clock_ahead_ms,
        })
    }

    /// A round trip, and how far the server's clock is ahead of ours.
    async fn clock(&self) -> Result<(Duration, i64), StorageError> {
        let (started, before) = (Instant::now(), now_ms());
        let rows = self.read(READ_CLOCK, &[]).await?;
        let round_trip = started.elapsed();
        let half = i64::try_from(round_trip.as_millis() / 2).unwrap_or(0);
        let there = rows.first().map_or(0, |row| row.get(0));
        Ok((round_trip, there - before - half))
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
