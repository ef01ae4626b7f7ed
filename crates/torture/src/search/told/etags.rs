//! Etags and counts.

use std::collections::HashMap;

use super::super::{Position, order::Order};
use crate::call::{Answer, Call, Operation, Version};

/// Etags and counts of versions, by all answers of a history.
pub(super) struct Etags {
    /// The count at an etag. Where answers contradict each other it does not matter which is here: the other can't be explained.
    counts: HashMap<(Version, u64), u64>,
    /// For each version the highest etag that the calls from each one on allow.
    highest: HashMap<Version, Vec<u64>>,
}

impl Etags {
    pub(super) fn of(calls: &[Call]) -> Self {
        let mut etags = Self { counts: HashMap::new(), highest: HashMap::new() };
        for (number, call) in calls.iter().enumerate() {
            for (version, etag, count) in told_by(call) {
                etags.counts.entry((version, etag)).or_insert(count);
                let highest = etags.highest.entry(version).or_insert_with(|| vec![u64::MAX; calls.len() + 1]);
                highest[number] = allowed(call, etag);
            }
        }
        for highest in etags.highest.values_mut() {
            for number in (0..calls.len()).rev() {
                highest[number] = highest[number].min(highest[number + 1]);
            }
        }
        etags
    }

    /// Whether no version has gone beyond an etag that somebody has yet to be told, and each has the count that was told of its etag.
    pub(super) fn allow(&self, position: &Position, calls: &[Call]) -> bool {
        let current = position.backup.current();
        position.backup.versions.iter().all(|(version, contents)| {
            let highest = self.highest_left(*version, &position.order, calls);
            let count = |etag: u64| self.counts.get(&(*version, etag)).copied();
            if position.batch.is_some() && current == Some(*version) {
                // It may still grow.
                contents.etag < highest
                    && count(contents.etag + 1).is_none_or(|count| contents.count() <= count)
            } else {
                contents.etag <= highest && count(contents.etag).is_none_or(|count| contents.count() == count)
            }
        })
    }

    fn highest_left(&self, version: Version, order: &Order, calls: &[Call]) -> u64 {
        let Some(highest) = self.highest.get(&version) else { return u64::MAX };
        let taken = order.reach();
        let left = (order.first()..taken).filter(|number| !order.has(*number, calls));
        let allowed = left.flat_map(|number| {
            let call = &calls[number];
            told_by(call).into_iter().filter(|told| told.0 == version).map(|told| allowed(call, told.1))
        });
        allowed.min().map_or(highest[taken], |near| near.min(highest[taken]))
    }
}

/// The highest etag before a call that was told this one. A deletion of keys has raised it.
fn allowed(call: &Call, told: u64) -> u64 {
    told.saturating_sub(u64::from(matches!(call.operation, Operation::DeleteKeys { .. })))
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
