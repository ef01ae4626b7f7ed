//! Which calls have been put in order already, and which may come next.

use crate::call::Call;

/// A set of calls, of which nearly all that are in it come before all that are not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Order {
    /// The first answered call that is not in it.
    first: usize,
    /// Those in it that this does not tell: answered ones after `first`, and those without an answer. Sorted.
    others: Vec<usize>,
    /// How many answered calls are in it.
    answered: usize,
}

impl Order {
    pub(super) fn new(calls: &[Call]) -> Self {
        let mut order = Self { first: 0, others: Vec::new(), answered: 0 };
        order.advance(calls);
        order
    }

    pub(super) fn answered(&self) -> usize {
        self.answered
    }

    /// The first answered call that is left.
    pub(super) fn first(&self) -> usize {
        self.first
    }

    /// The first call after which all are left.
    pub(super) fn reach(&self) -> usize {
        self.others.last().map_or(self.first, |last| self.first.max(last + 1))
    }

    /// Whether every answer is explained.
    pub(super) fn is_complete(&self, calls: &[Call]) -> bool {
        self.first == calls.len()
    }

    /// Whether a call is in it.
    pub(super) fn has(&self, number: usize, calls: &[Call]) -> bool {
        (number < self.first && calls[number].answered.is_some())
            || self.others.binary_search(&number).is_ok()
    }

    /// Adds a call.
    pub(super) fn take(&mut self, number: usize, calls: &[Call]) {
        if let Err(place) = self.others.binary_search(&number) {
            self.others.insert(place, number);
            self.answered += usize::from(calls[number].answered.is_some());
            self.advance(calls);
        }
    }

    fn advance(&mut self, calls: &[Call]) {
        while let Some(call) = calls.get(self.first) {
            if call.answered.is_some() {
                match self.others.binary_search(&self.first) {
                    Ok(place) => drop(self.others.remove(place)),
                    Err(_) => return,
                }
            }
            self.first += 1;
        }
    }

    /// The answered calls that may come next: those that began before any other that is left had ended. And until when a call must have
    /// begun for that.
    pub(super) fn next(&self, calls: &[Call]) -> (Vec<usize>, u64) {
        let mut deadline = u64::MAX;
        let mut next = Vec::new();
        for (number, call) in calls.iter().enumerate().skip(self.first) {
            if call.began > deadline {
                break;
            }
            if let Some(answered) = call.answered.as_ref().filter(|_| !self.has(number, calls)) {
                deadline = deadline.min(answered.at);
                next.push(number);
            }
        }
        (next, deadline)
    }
}
