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
        match (command, rest.strip_prefix("caches ")) {
            ("RDATA", Some(row)) => caches_row(row).unwrap_or(Self::UnreadableCachesRow),
            ("POSITION", Some(position)) => caches_position(position).unwrap_or(Self::Other(command)),
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
mod tests {
    use key_backup_model::UserId;

    use super::*;

    #[test]
    fn a_logout_names_the_token() {
        let line = r#"RDATA caches master 53 ["get_user_by_access_token", ["syt_x"], 1700000000000]"#;
        let invalidation = Some(Invalidation::Token("syt_x".to_owned()));
        assert_eq!(Line::parse(line), Line::CachesRow { instance: "master", token: Some(53), invalidation });
    }

    #[test]
    fn rows_of_a_batch_have_no_token_yet() {
        let line = r#"RDATA caches worker1 batch ["get_device", ["@u:s", "D"], 1]"#;
        let invalidation = Some(Invalidation::User(UserId::new("@u:s").unwrap()));
        assert_eq!(Line::parse(line), Line::CachesRow { instance: "worker1", token: None, invalidation });
    }

    #[test]
    fn null_for_keys_means_everything() {
        let line = r#"RDATA caches master 1 ["is_guest", null, 1]"#;
        let invalidation = Some(Invalidation::Everything);
        assert_eq!(Line::parse(line), Line::CachesRow { instance: "master", token: Some(1), invalidation });
    }

    #[test]
    fn a_position_tells_between_which_tokens_nothing_was_written() {
        let position = Line::CachesPosition { instance: "master", previous: 53, new: 55 };
        assert_eq!(Line::parse("POSITION caches master 53 55"), position);
    }

    #[test]
    fn other_lines_are_only_counted() {
        for (line, command) in [
            ("REPLICATE ", "REPLICATE"),
            ("REPLICATE", "REPLICATE"),
            ("RDATA events master 5 []", "RDATA"),
            ("POSITION caches master x", "POSITION"),
            ("NEW_COMMAND with words", "NEW_COMMAND"),
            ("", ""),
        ] {
            assert_eq!(Line::parse(line), Line::Other(command), "{line:?}");
        }
    }

    #[test]
    fn a_row_of_caches_that_cannot_be_read_is_not_just_another_line() {
        for line in [
            "RDATA caches master",
            "RDATA caches master x []",
            "RDATA caches master 1 {",
            "RDATA caches m 1 [1]",
        ] {
            assert_eq!(Line::parse(line), Line::UnreadableCachesRow, "{line:?}");
        }
    }
}
