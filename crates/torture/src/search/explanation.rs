//! Why a history is impossible, for a person.

use std::fmt;

use super::{Outcome, Search};
use crate::{Backup, call::Call};

/// Calls of the order that is shown: those just before the place where it went wrong.
const SHOWN: usize = 12;

/// The smallest part of a history that is impossible, and how far an order of it comes.
#[derive(Debug)]
pub struct Explanation {
    /// The states that were looked at.
    pub states: usize,
    /// Whether the search ended because there were too many.
    pub gave_up: bool,
    /// The first answer with which the history becomes impossible.
    pub culprit: Option<Call>,
    /// The last calls of the longest order of all before.
    pub ordered: Vec<Call>,
    /// The backup after them.
    pub backup: Backup,
    /// The answered calls of which one would have to come next.
    pub left: Vec<Call>,
}

impl Explanation {
    /// Bisects: a history that begins with an impossible one is impossible.
    pub(super) fn of(before: &Backup, calls: &[Call], states: usize) -> Self {
        let mut ends: Vec<(u64, usize)> = calls
            .iter()
            .enumerate()
            .filter_map(|(number, call)| Some((call.answered.as_ref()?.at, number)))
            .collect();
        ends.sort_unstable();
        let is_possible =
            |(end, _): &(u64, usize)| Search::new(before, &until(calls, *end)).run() == Outcome::Explained;
        let culprit = ends.get(ends.partition_point(is_possible)).copied();
        let mut search = Search::new(before, &culprit.map_or(calls.to_vec(), |(end, _)| until(calls, end)));
        let outcome = search.run();
        let order = search.best.calls();
        let (next, _) = search.best.at.order.next(&search.calls);
        let shown = |numbers: &[usize]| numbers.iter().map(|number| search.calls[*number].clone()).collect();
        Self {
            states,
            gave_up: outcome == Outcome::GaveUp,
            culprit: culprit.map(|(_, number)| calls[number].clone()),
            ordered: shown(&order[order.len().saturating_sub(SHOWN)..]),
            backup: search.best.at.backup.clone(),
            left: shown(&next),
        }
    }
}

/// What was known at a time: who had no answer yet has none.
fn until(calls: &[Call], time: u64) -> Vec<Call> {
    let mut calls: Vec<Call> = calls.iter().filter(|call| call.began <= time).cloned().collect();
    for call in &mut calls {
        call.answered.take_if(|answered| answered.at > time);
    }
    calls
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.gave_up { "no order was found" } else { "there is no order" };
        writeln!(f, "{what} of the calls that explains every answer ({} states)", self.states)?;
        if let Some(culprit) = &self.culprit {
            writeln!(f, "the first answer that cannot be explained:\n  {culprit}")?;
        }
        writeln!(f, "the longest order of all before it ends with:")?;
        self.ordered.iter().try_for_each(|call| writeln!(f, "  {call}"))?;
        writeln!(f, "after which there is\n  {}", self.backup)?;
        writeln!(f, "and none of these can be next:")?;
        self.left.iter().try_for_each(|call| writeln!(f, "  {call}"))
    }
}
