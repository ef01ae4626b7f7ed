//! Keys.

use std::collections::HashMap;

use super::super::{Position, order::Order};
use crate::call::{Answer, Answered, Call, Key, Keys, Operation, Place, Selection, Version};

/// Who has seen which keys, and who may have brought or deleted them.
#[derive(Default)]
pub(super) struct ToldKeys {
    versions: HashMap<Version, Changes>,
}

/// Of one version. Calls are in their order.
#[derive(Default)]
struct Changes {
    /// Answered reads of keys.
    looks: Vec<usize>,
    uploads: HashMap<(Place, Key), Vec<usize>>,
    deletions: Vec<(usize, Selection)>,
}

impl ToldKeys {
    pub(super) fn of(calls: &[Call]) -> Self {
        let mut told = Self::default();
        for (number, call) in calls.iter().enumerate() {
            let may_change = call
                .answered
                .as_ref()
                .is_none_or(|answered| matches!(answered.answer, Answer::Changed { .. }));
            match &call.operation {
                Operation::Upload { version, keys } if may_change => {
                    let uploads = &mut told.version(*version).uploads;
                    for (place, key) in keys {
                        uploads.entry((*place, *key)).or_default().push(number);
                    }
                }
                Operation::DeleteKeys { version, selection } if may_change => {
                    told.version(*version).deletions.push((number, *selection));
                }
                Operation::ReadKey { version, .. } | Operation::Restore { version } => {
                    told.version(*version).looks.push(number);
                }
                Operation::Observe => {
                    for version in told.versions.values_mut() {
                        version.looks.push(number);
                    }
                }
                _ => {}
            }
        }
        told
    }

    fn version(&mut self, version: Version) -> &mut Changes {
        self.versions.entry(version).or_default()
    }

    /// Whether what is told of the keys of each version next can come of those that it has.
    pub(super) fn allow(&self, position: &Position, calls: &[Call]) -> bool {
        position.backup.versions.iter().all(|(version, contents)| {
            let changes = self.versions.get(version);
            changes.is_none_or(|changes| {
                let left = Left { changes, order: &position.order, calls };
                left.looks().all(|look| left.explain(look, *version, &contents.keys))
            })
        })
    }
}

/// What is left to happen to a version.
struct Left<'a> {
    changes: &'a Changes,
    order: &'a Order,
    calls: &'a [Call],
}

impl<'a> Left<'a> {
    /// Up to the next look at all keys: of what comes later, less can be said.
    fn looks(&self) -> impl Iterator<Item = &'a Call> {
        let looks = &self.changes.looks;
        let first = looks.partition_point(|number| *number < self.order.first());
        let mut ended = false;
        let left = looks[first..].iter().filter(|number| !self.order.has(**number, self.calls));
        left.map(|number| &self.calls[*number]).take_while(move |call| {
            let goes_on = !ended;
            ended = !matches!(call.operation, Operation::ReadKey { .. });
            goes_on
        })
    }

    /// Whether these keys, and changes that are left, can lead to this look.
    fn explain(&self, look: &Call, version: Version, keys: &Keys) -> bool {
        let Some(Answered { at, answer }) = &look.answered else { return true };
        let everything = |told: &Keys| {
            keys.iter().all(|(place, key)| self.leads(*place, Some(*key), told.get(place).copied(), *at))
                && told
                    .iter()
                    .filter(|(place, _)| !keys.contains_key(place))
                    .all(|(place, key)| self.leads(*place, None, Some(*key), *at))
        };
        match (&look.operation, answer) {
            (Operation::ReadKey { place, .. }, Answer::Key(key)) => {
                self.leads(*place, keys.get(place).copied(), Some(*key), *at)
            }
            (_, Answer::Keys(told)) => everything(told),
            (_, Answer::Everything(backup)) => {
                backup.versions.get(&version).is_none_or(|contents| everything(&contents.keys))
            }
            _ => true,
        }
    }

    /// Whether a key can become another until a time: by an upload of that one, and by a deletion if it is no better.
    fn leads(&self, place: Place, from: Option<Key>, to: Option<Key>, until: u64) -> bool {
        if from == to {
            return true;
        }
        let is_left =
            |number: usize| self.calls[number].began <= until && !self.order.has(number, self.calls);
        let is_brought = to.is_none_or(|to| {
            let uploads = self.changes.uploads.get(&(place, to));
            uploads.is_some_and(|uploads| uploads.iter().any(|number| is_left(*number)))
        });
        let is_better = from.is_none_or(|from| to.is_some_and(|to| to < from));
        let mut deletions = self.changes.deletions.iter();
        is_brought
            && (is_better
                || deletions.any(|(number, selection)| selection.includes(place) && is_left(*number)))
    }
}
