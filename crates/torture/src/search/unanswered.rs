//! Calls without an answer: which of them have to be tried at all.

use std::collections::{HashMap, HashSet};

use super::{Path, Search};
use crate::call::{Answer, Call, Operation};

/// The calls of a history without an answer that can change something.
pub(super) struct Unanswered {
    /// Each with the last one before it that would have done the same. Of such calls the earlier one is tried first: it may take effect
    /// whenever the later one may.
    calls: Vec<(usize, Option<usize>)>,
}

impl Unanswered {
    pub(super) fn of(calls: &[Call]) -> Self {
        let told = auth_data_told(calls);
        let mut last = HashMap::new();
        let unanswered = calls.iter().enumerate().filter(|(_, call)| call.answered.is_none());
        let calls = unanswered.map(|(number, call)| {
            let effect = match call.operation {
                Operation::CreateVersion { auth_data } if !told.contains(&auth_data) => {
                    &Operation::CreateVersion { auth_data: 0 }
                }
                _ => &call.operation,
            };
            (number, last.insert(effect, number))
        });
        Self { calls: calls.collect() }
    }
}

impl Search {
    /// Changes of which nobody knows whether they happened, and which may have until now.
    pub(super) fn unanswered(&self, path: &Path, deadline: u64) -> Vec<usize> {
        let is_left = |number: usize| !path.at.order.has(number, &self.calls);
        let may_be_next = |(number, same): &(usize, Option<usize>)| {
            self.calls[*number].began <= deadline && is_left(*number) && !same.is_some_and(is_left)
        };
        self.unanswered.calls.iter().filter(|call| may_be_next(call)).map(|call| call.0).collect()
    }
}

/// The calls of a history that say something, or may have changed something that somebody has noticed.
pub(super) fn noticeable(calls: &[Call]) -> Vec<Call> {
    let told = auth_data_told(calls);
    let is_noticeable = |call: &&Call| {
        call.answered.is_some()
            || match call.operation {
                // Nothing else depends on it.
                Operation::UpdateAuthData { auth_data, .. } => told.contains(&auth_data),
                _ => call.operation.is_change(),
            }
    };
    calls.iter().filter(is_noticeable).cloned().collect()
}

fn auth_data_told(calls: &[Call]) -> HashSet<u64> {
    let mut told = HashSet::new();
    for answered in calls.iter().filter_map(|call| call.answered.as_ref()) {
        match &answered.answer {
            Answer::Version { auth_data, .. } => drop(told.insert(*auth_data)),
            Answer::Everything(backup) => {
                told.extend(backup.versions.values().map(|contents| contents.auth_data));
            }
            _ => {}
        }
    }
    told
}
