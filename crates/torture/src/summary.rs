//! What a run was like.

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::{call::Call, fault::Fault};

/// The figures of a run whose histories were all possible.
#[derive(Debug)]
pub struct Summary {
    /// The run's seed.
    pub seed: u64,
    /// How long it took.
    pub took: Duration,
    /// How often faults were followed by a check.
    pub rounds: usize,
    /// Calls that were checked.
    pub calls: usize,
    /// Changes among them without an answer.
    pub unanswered: usize,
    /// States that the search has looked at.
    pub states: usize,
    /// The longest time until all workers answered after everything was mended and their connections had been cut.
    pub slowest_return: Duration,
    faults: BTreeMap<Fault, usize>,
}

impl Summary {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            took: Duration::ZERO,
            rounds: 0,
            calls: 0,
            unanswered: 0,
            states: 0,
            slowest_return: Duration::ZERO,
            faults: BTreeMap::new(),
        }
    }

    /// How often things broke.
    pub fn broken(&self) -> usize {
        self.faults.values().sum()
    }

    pub(crate) fn faults<'a>(&mut self, faults: impl Iterator<Item = &'a Fault>) {
        for fault in faults {
            *self.faults.entry(*fault).or_default() += 1;
        }
    }

    pub(crate) fn round(&mut self, back: Duration) {
        self.rounds += 1;
        self.slowest_return = self.slowest_return.max(back);
    }

    pub(crate) fn checked(&mut self, calls: &[Call], states: usize) {
        self.calls += calls.len();
        let is_unknown = |call: &&Call| call.answered.is_none() && call.operation.is_change();
        self.unanswered += calls.iter().filter(is_unknown).count();
        self.states += states;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {} rounds in {:.0} s", self.seed, self.rounds, self.took.as_secs_f64())?;
        writeln!(f, "{} calls, of which {} changes were never answered", self.calls, self.unanswered)?;
        writeln!(f, "faults: {:?}", self.faults)?;
        writeln!(f, "back after a round within {} ms", self.slowest_return.as_millis())?;
        write!(f, "one history for each user ({} states searched)", self.states)
    }
}
