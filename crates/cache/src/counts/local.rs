//! Counts in the process: where there is no Redis, and while Redis does not answer.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use key_backup_model::{BackupVersion, KeyCount, UserId};
use moka::{ops::compute::Op, sync::Cache};

use super::{Known, choose};

/// How many users' counts are kept.
const CAPACITY: u64 = 100_000;

pub(super) struct Local {
    users: Cache<UserId, Remembered>,
    generation: AtomicU64,
    lifetime: Duration,
}

#[derive(Debug, Clone)]
struct Remembered {
    generation: u64,
    /// When the first of them was counted: what is added to it later is as old as that.
    since: Instant,
    counts: Vec<KeyCount>,
}

impl Local {
    pub(super) fn new(lifetime: Duration) -> Self {
        Self { users: Cache::new(CAPACITY), generation: AtomicU64::new(0), lifetime }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(super) fn get(&self, user: &UserId, version: Option<BackupVersion>) -> Option<KeyCount> {
        let remembered = self.users.get(user).filter(|remembered| self.is_good(remembered))?;
        choose(remembered.counts.into_iter(), version)
    }

    pub(super) fn set(&self, user: &UserId, known: &Known, count: KeyCount, is_current: bool) {
        let generation = known.local_generation;
        self.users.entry_by_ref(user).and_compute_with(|entry| {
            let mut remembered = entry
                .map(moka::Entry::into_value)
                .filter(|remembered| self.is_good(remembered))
                .unwrap_or_else(|| Remembered { generation, since: Instant::now(), counts: Vec::new() });
            let newer = |other: &KeyCount| {
                other.version == count.version && known.count != Some(*other) && other.etag > count.etag
            };
            if remembered.counts.iter().any(newer) {
                return Op::Nop;
            }
            let stays = |other: &KeyCount| {
                other.version != count.version && !(is_current && other.version > count.version)
            };
            remembered.counts.retain(stays);
            remembered.counts.push(count);
            Op::Put(remembered)
        });
    }

    pub(super) fn forget(&self, user: &UserId) {
        self.users.invalidate(user);
    }

    pub(super) fn next_generation(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    fn is_good(&self, remembered: &Remembered) -> bool {
        remembered.generation == self.generation() && remembered.since.elapsed() < self.lifetime
    }
}
