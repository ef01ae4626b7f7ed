//! Calls in the words of a report.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::{
    Backup, Contents,
    call::{Answer, Answered, Call, Key, Keys, Operation, Place, Selection},
    wire::place,
};

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "!room{}/session{}", self.room, self.session)
    }
}

/// So that it can be the name of a field.
impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (room, session) = text.split_once('/').ok_or_else(|| D::Error::custom("a place has a slash"))?;
        place(room, session).map_err(D::Error::custom)
    }
}

impl Display for Key {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { unverified, first_message_index, forwarded_count } = self;
        let verified = if *unverified { "unverified" } else { "verified" };
        write!(f, "{verified} {first_message_index} {forwarded_count}")
    }
}

/// Keys, one after another.
struct List<'a>(&'a Keys);

impl Display for List<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.0.len())?;
        self.0.iter().try_for_each(|(place, key)| write!(f, ", {place} {key}"))
    }
}

impl Display for Operation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateVersion { auth_data } => write!(f, "create a version with auth_data {auth_data}"),
            Self::DeleteVersion { version } => write!(f, "delete version {version}"),
            Self::UpdateAuthData { version, auth_data } => {
                write!(f, "set the auth_data of version {version} to {auth_data}")
            }
            Self::ReadVersion { version: None } => write!(f, "read the current version"),
            Self::ReadVersion { version: Some(version) } => write!(f, "read version {version}"),
            Self::Upload { version, keys } => write!(f, "upload to version {version}: {}", List(keys)),
            Self::DeleteKeys { version, selection } => {
                write!(f, "delete from version {version}: {selection}")
            }
            Self::ReadKey { version, place } => write!(f, "read from version {version}: {place}"),
            Self::Restore { version } => write!(f, "restore version {version}"),
            Self::Observe => write!(f, "look into the database"),
        }
    }
}

impl Display for Selection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => write!(f, "all keys"),
            Self::Room(room) => write!(f, "!room{room}"),
            Self::Session(place) => place.fmt(f),
        }
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created { version } => write!(f, "version {version}"),
            Self::Done => write!(f, "done"),
            Self::Changed { etag, count } => write!(f, "etag {etag}, count {count}"),
            Self::Version { version, etag, count, auth_data } => {
                write!(f, "version {version}, etag {etag}, count {count}, auth_data {auth_data}")
            }
            Self::Key(key) => key.fmt(f),
            Self::Keys(keys) => List(keys).fmt(f),
            Self::WrongVersion { current } => write!(f, "wrong version, current is {current}"),
            Self::NotFound => write!(f, "not found"),
            Self::Everything(backup) => backup.fmt(f),
        }
    }
}

impl Display for Backup {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "highest version {}", self.highest)?;
        self.versions.iter().try_for_each(|(version, contents)| write!(f, "; version {version}: {contents}"))
    }
}

impl Display for Contents {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "etag {}, auth_data {}, {}", self.etag, self.auth_data, List(&self.keys))
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let micros = |nanos: u64| nanos / 1000;
        let Self { client, worker, operation, began, answered } = self;
        match operation {
            Operation::Observe => write!(f, "checker")?,
            _ => write!(f, "client {client} at worker {worker}")?,
        }
        match answered {
            Some(Answered { at, answer }) => {
                write!(f, ", {} to {} µs: {operation} -> {answer}", micros(*began), micros(*at))
            }
            None => write!(f, ", {} µs: {operation} -> no answer", micros(*began)),
        }
    }
}
