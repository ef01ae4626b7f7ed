//! One thing that was found.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// The worker works, but less well or less safely than it could.
    Warning,
    /// The worker, or a part of it, does not work.
    Problem,
}

/// What a check found, and what to do about it. No secret is in it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    /// The check, by a name that scripts may rely on.
    pub(super) check: &'static str,
    pub(super) level: Level,
    pub(super) found: String,
    /// Always there for warnings and problems.
    pub(super) advice: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, level: Level::Ok, found: found.into(), advice: None }
    }

    pub(super) fn warning(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, level: Level::Warning, found: found.into(), advice: Some(advice.into()) }
    }

    pub(super) fn problem(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, level: Level::Problem, found: found.into(), advice: Some(advice.into()) }
    }
}
