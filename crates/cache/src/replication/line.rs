//! Lines of Synapse's replication protocol. Pure: what is not understood is just another line.

use serde_json::Value;

use crate::Invalidation;

/// A line, as far as it concerns this worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line<'a> {
    /// A row of the stream `caches`.
    CachesRow {
        /// The process that wrote it.
        instance: &'a str,
        /// Where its stream stands after the row; `None` while more rows of the same token follow.
        token: Option<i64>,
        /// What it means, if it means something here.
        invalidation: Option<Invalidation>,
    },
    /// Where the stream `caches` of a process stands.
    CachesPosition {
        /// The process.
        instance: &'a str,
        /// Nothing was written between this token …
        previous: i64,
        /// … and this one.
        new: i64,
    },
    /// A row of `caches` that cannot be read: nobody knows what it would have dropped.
    UnreadableCachesRow,
    /// Anything else, by its command.
    Other(&'a str),
}

impl<'a> Line<'a> {
    /// Reads a line; never fails.
    pub fn parse(line: &'a str) -> Self {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (stream, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        match (command, stream) {
            ("RDATA", "caches") => caches_row(rest).unwrap_or(Self::UnreadableCachesRow),
            ("POSITION", "caches") => caches_position(rest).unwrap_or(Self::Other(command)),
            _ => Self::Other(command),
        }
    }

    /// The command that the line begins with, for metrics.
    pub fn command(&self) -> &'a str {
        match self {
            Self::CachesRow { .. } | Self::UnreadableCachesRow => "RDATA",
            Self::CachesPosition { .. } => "POSITION",
            Self::Other(command) => command,
        }
    }
}

/// `<instance> <token|batch> [<function>, <keys or null>, <timestamp>]`
fn caches_row(text: &str) -> Option<Line<'_>> {
    let mut parts = text.splitn(3, ' ');
    let (instance, token, row) = (parts.next()?, parts.next()?, parts.next()?);
    let token = if token == "batch" { None } else { Some(token.parse().ok()?) };
    let row: Value = serde_json::from_str(row).ok()?;
    let function = row.get(0)?.as_str()?;
    let keys = row.get(1).and_then(Value::as_array);
    let invalidation = Invalidation::of_row(function, keys.map(|keys| keys.iter().map(Value::as_str)));
    Some(Line::CachesRow { instance, token, invalidation })
}

/// `<instance> <previous token> <new token>`
fn caches_position(text: &str) -> Option<Line<'_>> {
    let mut parts = text.split(' ');
    let (instance, previous, new) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(Line::CachesPosition { instance, previous, new })
}

#[cfg(test)]
mod tests;
