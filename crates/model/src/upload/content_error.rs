//! What can be wrong inside a body that is an object.

use std::fmt;

use super::Place;
use crate::JsonTextError;

pub(super) type Checked<T> = Result<T, ContentError>;

/// The first thing that is wrong in a body, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentError {
    /// The names on the way from the body to the value, the outermost last.
    inner_to_outer: Vec<String>,
    problem: Problem,
}

/// What is wrong with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// The field is not there.
    Missing,
    /// It has to be an object.
    NotAnObject,
    /// It has to be an integer that fits PostgreSQL's `INT`.
    NotAnInteger,
    /// It has to be `true` or `false`.
    NotABoolean,
    /// PostgreSQL cannot store a room or session id with U+0000.
    NulInName,
    /// Synapse could not read the value again.
    Value(JsonTextError),
    /// The body is JSON, but a name in it is not Unicode.
    Unreadable,
}

impl ContentError {
    pub(super) fn new(problem: Problem) -> Self {
        Self { inner_to_outer: Vec::new(), problem }
    }

    pub(super) fn within(mut self, name: &str) -> Self {
        self.inner_to_outer.push(name.to_owned());
        self
    }

    /// What is wrong.
    pub fn problem(&self) -> Problem {
        self.problem
    }

    /// The names from the outermost to the value, with dots between them; empty for the body itself.
    pub fn path(&self) -> String {
        let mut names: Vec<&str> = self.inner_to_outer.iter().map(String::as_str).collect();
        names.reverse();
        names.join(".")
    }

    /// The room and session whose field is wrong, for an error about a field of a key.
    pub fn room_and_session<'a>(&'a self, place: &'a Place) -> Option<(&'a str, &'a str)> {
        let name = |at: usize| self.inner_to_outer.get(at).map(String::as_str);
        match place {
            Place::Session(room, session) => Some((room.as_str(), session.as_str())),
            Place::Room(room) => Some((room.as_str(), name(1)?)),
            Place::Backup => Some((name(3)?, name(1)?)),
        }
    }
}

impl fmt::Display for ContentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path();
        let path = if path.is_empty() { "the body" } else { &path };
        match self.problem {
            Problem::Missing => write!(f, "Missing field {path}"),
            Problem::NotAnObject => write!(f, "{path} must be an object"),
            Problem::NotAnInteger => write!(f, "{path} must be an integer from -2147483648 to 2147483647"),
            Problem::NotABoolean => write!(f, "{path} must be a boolean"),
            Problem::NulInName => write!(f, "a name in {path} holds U+0000, which cannot be stored"),
            Problem::Value(error) => write!(f, "{path} cannot be stored: {error}"),
            Problem::Unreadable => write!(f, "a name in {path} is not Unicode, which cannot be stored"),
        }
    }
}

impl std::error::Error for ContentError {}
