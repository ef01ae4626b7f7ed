//! Versions of a backup and their etags: numbers in Synapse's tables, strings on the wire.

use std::fmt;

use crate::JsonText;

/// The number of a backup version of one user: 1 for the first, then one more than the highest so far,
/// deleted ones included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackupVersion(i64);

impl BackupVersion {
    /// The version in a row of `e2e_room_keys_versions`.
    pub const fn from_column(version: i64) -> Self {
        Self(version)
    }

    /// Reads a version as a client names it.
    ///
    /// The specification calls versions opaque strings, so only the very string that the server handed
    /// out names one: `None` for anything else (`01`, `+1`, ` 1`, letters), which is a version that
    /// does not exist. Synapse also takes the other spellings of a number.
    pub fn parse(text: &str) -> Option<Self> {
        let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        if canonical { text.parse().ok().map(Self) } else { None }
    }

    /// The value of the `version` column.
    pub const fn to_column(self) -> i64 {
        self.0
    }
}

impl fmt::Display for BackupVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Counts the changes of a version's keys; a client sees it as an opaque string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Etag(i64);

impl Etag {
    /// The `etag` of a row of `e2e_room_keys_versions`; Synapse leaves it NULL until the first change
    /// and shows that as 0.
    pub fn from_column(etag: Option<i64>) -> Self {
        Self(etag.unwrap_or(0))
    }

    /// The number behind it.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Whether one change lies between `before` and this etag, that is, nobody else's.
    pub fn follows(self, before: Self) -> bool {
        before.0.checked_add(1) == Some(self.0)
    }
}

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many keys a version held when its etag was that: right as long as the version still has this etag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyCount {
    /// The version.
    pub version: BackupVersion,
    /// Its etag.
    pub etag: Etag,
    /// Rows in `e2e_room_keys`.
    pub count: i64,
}

/// What a client is told of one version (`GET /room_keys/version`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionInfo {
    /// Its number, its etag and how many keys it holds.
    pub keys: KeyCount,
    /// How its keys are encrypted, as the client that made it said.
    pub algorithm: String,
    /// The algorithm's data, as stored: JSON of any type.
    pub auth_data: JsonText,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_string_that_was_handed_out_names_a_version() {
        assert_eq!(BackupVersion::parse("42"), Some(BackupVersion(42)));
        for text in ["", "0", "01", "+1", "-1", " 1", "1 ", "0_1", "1.0", "x", "١", "9223372036854775808"] {
            assert_eq!(BackupVersion::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_version_reads_back_what_it_shows() {
        let highest = BackupVersion(i64::MAX);
        assert_eq!(BackupVersion::parse(&highest.to_string()), Some(highest));
    }

    #[test]
    fn a_null_etag_is_zero() {
        assert_eq!(Etag::from_column(None).to_string(), "0");
        assert!(Etag::from_column(Some(1)).follows(Etag::from_column(None)));
        assert!(!Etag::from_column(Some(2)).follows(Etag::from_column(None)));
    }
}
