//! Versions: who made them, and how long they were there.

use std::collections::HashMap;

use super::super::Position;
use crate::call::{Answer, Call, Operation, Version};

/// The versions that answers of a history speak of.
#[derive(Default)]
pub(super) struct Versions {
    /// By which call each was made: its answer says so, or the version's `auth_data`, which nobody else has sent.
    makers: HashMap<Version, usize>,
    made: HashMap<usize, Version>,
    /// The answered calls that have seen each, in their order.
    seen: HashMap<Version, Vec<usize>>,
    /// Each call that has seen all versions, and the highest that there had been.
    highest: Vec<(usize, Version)>,
}

impl Versions {
    pub(super) fn of(calls: &[Call]) -> Self {
        let mut versions = Self::default();
        let makers = makers(calls);
        for (number, call) in calls.iter().enumerate() {
            let Some(answer) = call.answered.as_ref().map(|answered| &answered.answer) else { continue };
            if let Answer::Created { version } = answer {
                versions.made_by(*version, number);
            }
            if let Answer::Everything(backup) = answer {
                versions.highest.push((number, backup.highest));
            }
            for (version, auth_data) in seen(call, answer) {
                versions.seen.entry(version).or_default().push(number);
                if let Some(maker) = auth_data.and_then(|auth_data| makers.get(&auth_data)) {
                    versions.made_by(version, *maker);
                }
            }
        }
        versions
    }

    fn made_by(&mut self, version: Version, call: usize) {
        self.makers.insert(version, call);
        self.made.insert(call, version);
    }

    /// Whether this call may be the one that makes this version.
    pub(super) fn may_make(&self, version: Version, call: usize) -> bool {
        self.makers.get(&version).is_none_or(|maker| *maker == call)
            && self.made.get(&call).is_none_or(|made| *made == version)
    }

    /// Whether no version is gone, or made, that somebody has yet to see, or not to see.
    pub(super) fn allow(&self, position: &Position, calls: &[Call]) -> bool {
        let (order, backup) = (&position.order, &position.backup);
        let is_left = |number: &usize| !order.has(*number, calls);
        let is_gone =
            |version: &Version| *version <= backup.highest && !backup.versions.contains_key(version);
        let gone = self.seen.iter().filter(|(version, _)| is_gone(version));
        // The last ones are the most likely to be left.
        gone.into_iter().all(|(_, seen)| !seen.iter().rev().any(is_left))
            && self.highest.iter().all(|(number, highest)| backup.highest <= *highest || !is_left(number))
    }
}

/// Who wanted to make a version with which `auth_data`.
fn makers(calls: &[Call]) -> HashMap<u64, usize> {
    let create = |(number, call): (usize, &Call)| match call.operation {
        Operation::CreateVersion { auth_data } => Some((auth_data, number)),
        _ => None,
    };
    calls.iter().enumerate().filter_map(create).collect()
}

/// The versions that were there, by an answer, with their `auth_data` where it says that.
fn seen(call: &Call, answer: &Answer) -> Vec<(Version, Option<u64>)> {
    match (&call.operation, answer) {
        (_, Answer::Version { version, auth_data, .. }) => vec![(*version, Some(*auth_data))],
        (Operation::Upload { version, .. }, Answer::WrongVersion { current }) => {
            vec![(*version, None), (*current, None)]
        }
        (
            Operation::Upload { version, .. } | Operation::DeleteKeys { version, .. },
            Answer::Changed { .. },
        )
        | (Operation::UpdateAuthData { version, .. }, Answer::Done)
        | (Operation::ReadKey { version, .. }, Answer::Key(_))
        | (Operation::Restore { version }, Answer::Keys(_)) => vec![(*version, None)],
        (_, Answer::Everything(backup)) => {
            let versions = backup.versions.iter();
            versions.map(|(version, contents)| (*version, Some(contents.auth_data))).collect()
        }
        _ => Vec::new(),
    }
}
