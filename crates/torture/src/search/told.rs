//! What the answers tell of etags, known before the search begins. It keeps the search from ways that lead nowhere.

use std::collections::HashMap;

use super::{Position, order::Order};
use crate::call::{Answer, Call, Operation, Version};

/// Etags and counts of versions, by all answers of a history.
pub(super) struct Told {
    /// The count at an etag. Where answers contradict each other it does not matter which is here: the other can't be explained.
    counts: HashMap<(Version, u64), u64>,
    /// For each version the lowest etag that is told from each call on.
    lowest: HashMap<Version, Vec<u64>>,
    /// The `auth_data` of versions on which nobody tried to change it: it tells who made them.
    auth_data: HashMap<Version, u64>,
}

impl Told {
    pub(super) fn by(calls: &[Call]) -> Self {
        let mut told =
            Self { counts: HashMap::new(), lowest: HashMap::new(), auth_data: auth_data_told(calls) };
        for (number, call) in calls.iter().enumerate() {
            for (version, etag, count) in told_by(call) {
                told.counts.entry((version, etag)).or_insert(count);
                let lowest = told.lowest.entry(version).or_insert_with(|| vec![u64::MAX; calls.len() + 1]);
                lowest[number] = etag;
            }
        }
        for lowest in told.lowest.values_mut() {
            for number in (0..calls.len()).rev() {
                lowest[number] = lowest[number].min(lowest[number + 1]);
            }
        }
        told
    }

    /// Whether a position can lead to an end: no version has gone beyond an etag that somebody has yet to be told, and each has the
    /// count that was told of its etag.
    pub(super) fn allows(&self, position: &Position, calls: &[Call]) -> bool {
        let order = &position.order;
        let current = position.backup.current();
        position.backup.versions.iter().all(|(version, contents)| {
            if self.auth_data.get(version).is_some_and(|told| *told != contents.auth_data) {
                return false;
            }
            let lowest = self.lowest_left(*version, order, calls);
            let count = |etag: u64| self.counts.get(&(*version, etag)).copied();
            if position.batch.is_some() && current == Some(*version) {
                // It may still grow.
                contents.etag < lowest
                    && count(contents.etag + 1).is_none_or(|count| contents.count() <= count)
            } else {
                contents.etag <= lowest && count(contents.etag).is_none_or(|count| contents.count() == count)
            }
        })
    }

    fn lowest_left(&self, version: Version, order: &Order, calls: &[Call]) -> u64 {
        let Some(lowest) = self.lowest.get(&version) else { return u64::MAX };
        let taken = order.reach();
        let left = (order.first()..taken).filter(|number| !order.has(*number, calls));
        let told = left.flat_map(|number| told_by(&calls[number]));
        let near = told.filter(|told| told.0 == version).map(|told| told.1).min();
        near.map_or(lowest[taken], |near| near.min(lowest[taken]))
    }
}

fn auth_data_told(calls: &[Call]) -> HashMap<Version, u64> {
    let mut told = HashMap::new();
    for call in calls {
        match call.answered.as_ref().map(|answered| &answered.answer) {
            Some(Answer::Version { version, auth_data, .. }) => drop(told.insert(*version, *auth_data)),
            Some(Answer::Everything(backup)) => {
                told.extend(backup.versions.iter().map(|(version, contents)| (*version, contents.auth_data)));
            }
            _ => {}
        }
    }
    for call in calls {
        if let Operation::UpdateAuthData { version, .. } = &call.operation {
            told.remove(version);
        }
    }
    told
}

/// Versions, their etags and their counts, as a call's answer has them. What the database held at the end says it of all.
fn told_by(call: &Call) -> Vec<(Version, u64, u64)> {
    match (&call.operation, call.answered.as_ref().map(|answered| &answered.answer)) {
        (
            Operation::Upload { version, .. } | Operation::DeleteKeys { version, .. },
            Some(Answer::Changed { etag, count }),
        )
        | (_, Some(Answer::Version { version, etag, count, .. })) => vec![(*version, *etag, *count)],
        (_, Some(Answer::Everything(backup))) => {
            let versions = backup.versions.iter();
            versions.map(|(version, contents)| (*version, contents.etag, contents.count())).collect()
        }
        _ => Vec::new(),
    }
}
