//! What a run measures, how often and for how long.

use std::time::Duration;

use super::work::{self, Work};

/// The extent of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// How long one round of load takes.
    pub(super) round: Duration,
    /// Pairs of rounds.
    pairs: usize,
    /// Pairs of rounds of restores; of those that take Synapse's worker longest, half as many.
    restore_pairs: usize,
    /// Keys in the backups that are polled and restored.
    pub(super) sizes: &'static [usize],
    /// Keys in one upload.
    uploads: &'static [usize],
    /// Leaves out what takes long.
    is_quick: bool,
    /// How often each worker is started to see how long that takes.
    pub(super) starts: usize,
}

/// Everything: the figures of `docs/performance.md`.
pub(super) const FULL: Plan = Plan {
    round: Duration::from_millis(2500),
    pairs: 5,
    restore_pairs: 3,
    sizes: &[0, 1000, 10_000, 100_000, 300_000],
    uploads: &[1, 100, 1000],
    is_quick: false,
    starts: 3,
};

/// A short look: fewer sizes, shorter rounds.
pub(super) const QUICK: Plan = Plan {
    round: Duration::from_secs(1),
    pairs: 2,
    restore_pairs: 1,
    sizes: &[0, 10_000, 100_000],
    uploads: &[1, 100],
    is_quick: true,
    starts: 1,
};

impl Plan {
    /// What `--quick` leaves out, for the terminal; `None` if nothing is.
    pub(super) fn left_out(&self) -> Option<&'static str> {
        self.is_quick.then_some(
            "--quick: two short rounds of each work and one of restores; no backups of 1k and 300k, no uploads of 1000 keys, no \
             restores at the same time, no deletions of rooms; docs/performance.md stays as it is",
        )
    }

    /// All kinds of work.
    pub(super) fn works(&self) -> Vec<Work> {
        let polled = self.sizes.iter().filter(|keys| **keys <= 100_000);
        let mut works: Vec<Work> = polled.map(|keys| work::poll(*keys)).collect();
        works.push(work::get_one());
        for keys in self.uploads {
            works.push(work::put_new(*keys));
            if *keys == 1 {
                works.push(work::put_hot());
            }
            works.push(work::put_known(*keys));
            works.push(work::put_better(*keys));
        }
        works.push(work::delete_key());
        if !self.is_quick {
            works.push(work::delete_room());
        }
        works.extend(self.sizes.iter().filter(|keys| **keys >= 1000).map(|keys| work::restore(*keys, 1)));
        if !self.is_quick {
            works.extend([1000, 10_000, 100_000].map(|keys| work::restore(keys, 8)));
        }
        works
    }

    /// How many pairs of rounds a work gets.
    pub(super) fn pairs(&self, work: &Work) -> usize {
        match work.restores {
            Some(keys) if keys * work.connections > 100_000 => self.restore_pairs.div_ceil(2),
            Some(_) => self.restore_pairs,
            None => self.pairs,
        }
    }

    /// How long a work will take, roughly, to tell how much of the run is left.
    pub(super) fn estimate(&self, work: &Work) -> Duration {
        let pairs = u32::try_from(self.pairs(work)).unwrap_or(1);
        let reset = if work.before_round.is_empty() { Duration::ZERO } else { Duration::from_secs(1) };
        // Synapse's worker needs about 50 µs for each key of a restore.
        let keys = work.restores.unwrap_or_default() * work.connections;
        let restore = Duration::from_micros(50) * u32::try_from(keys).unwrap_or(u32::MAX);
        let round = self.round.max(restore) + reset;
        (round + self.round + reset) * (pairs + 1)
    }
}
