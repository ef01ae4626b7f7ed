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
            // Not before: while it waited to get in here, others may have remembered counts of a new generation.
            if generation != self.generation() {
                return Op::Nop;
            }
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use key_backup_metrics::Layer;
    use key_backup_model::Etag;

    use super::*;

    const LONG: Duration = Duration::from_mins(10);

    fn pair(version: i64, etag: i64, count: i64) -> KeyCount {
        let version = BackupVersion::from_column(version);
        KeyCount { version, etag: Etag::from_column(Some(etag)), count }
    }

    fn known(local: &Local, user: &UserId) -> Known {
        let count = local.get(user, None);
        Known { count, layer: Layer::Process, shared_generation: None, local_generation: local.generation() }
    }

    fn user() -> UserId {
        UserId::new("@a:s").unwrap()
    }

    #[test]
    fn a_pair_takes_the_place_of_the_one_that_was_looked_up_or_of_an_older_one() {
        let (local, user) = (Local::new(LONG), user());
        let nothing = known(&local, &user);
        for (known, new, expected) in [
            (nothing.clone(), pair(1, 5, 50), pair(1, 5, 50)),
            (nothing.clone(), pair(1, 4, 40), pair(1, 5, 50)),
            (nothing, pair(1, 6, 60), pair(1, 6, 60)),
        ] {
            local.set(&user, &known, new, true);
            assert_eq!(local.get(&user, None), Some(expected));
        }
        let looked_up = known(&local, &user);
        local.set(&user, &looked_up, pair(1, 1, 10), true);
        assert_eq!(local.get(&user, None), Some(pair(1, 1, 10)), "versions have begun anew");
    }

    #[test]
    fn what_is_said_to_be_current_ends_the_versions_above_it() {
        let (local, user) = (Local::new(LONG), user());
        for (version, is_current) in [(1, true), (2, true), (1, false)] {
            local.set(&user, &known(&local, &user), pair(version, 9, version), is_current);
        }
        assert_eq!(local.get(&user, None), Some(pair(2, 9, 2)));
        local.set(&user, &known(&local, &user), pair(1, 10, 1), true);
        assert_eq!(local.get(&user, None), Some(pair(1, 10, 1)));
    }

    #[test]
    fn what_was_looked_up_before_a_room_was_deleted_is_not_remembered_after() {
        let (local, user) = (Local::new(LONG), user());
        let before = known(&local, &user);
        local.next_generation();
        local.set(&user, &known(&local, &user), pair(1, 5, 40), true);
        local.set(&user, &before, pair(1, 6, 50), true);
        assert_eq!(local.get(&user, None), Some(pair(1, 5, 40)));
    }

    /// Whether a thread, by its folder in `/proc`, waits for something.
    fn waits(thread: &Path) -> bool {
        let stat = std::fs::read_to_string(thread.join("stat")).unwrap();
        stat.rsplit_once(')').unwrap().1.starts_with(" S")
    }

    #[test]
    fn who_waited_while_a_room_was_deleted_and_others_counted_anew_is_not_believed() {
        let (local, user) = (Local::new(LONG), user());
        let before = known(&local, &user);
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            local.users.entry_by_ref(&user).and_compute_with(|_| {
                scope.spawn(|| {
                    sender
                        .send(Path::new("/proc").join(std::fs::read_link("/proc/thread-self").unwrap()))
                        .unwrap();
                    local.set(&user, &before, pair(1, 6, 50), true);
                });
                let (thread, start) = (receiver.recv().unwrap(), Instant::now());
                while !waits(&thread) {
                    assert!(start.elapsed() < Duration::from_secs(20), "it does not wait");
                    std::thread::yield_now();
                }
                local.next_generation();
                let (generation, counts) = (local.generation(), vec![pair(1, 5, 40)]);
                Op::Put(Remembered { generation, since: Instant::now(), counts })
            });
        });
        assert_eq!(local.get(&user, None), Some(pair(1, 5, 40)));
    }

    #[test]
    fn a_life_span_is_not_renewed_by_what_is_added() {
        let lifetime = Duration::from_millis(60);
        let (local, user) = (Local::new(lifetime), user());
        let remembered = loop {
            let began = Instant::now();
            local.set(&user, &known(&local, &user), pair(1, 1, 1), true);
            let remembered = Instant::now();
            std::thread::sleep(lifetime / 2);
            local.set(&user, &known(&local, &user), pair(1, 2, 2), true);
            // On a busy machine the first may have been forgotten already: once more.
            if began.elapsed() < lifetime {
                break remembered;
            }
            std::thread::sleep(lifetime);
        };
        std::thread::sleep(lifetime.saturating_sub(remembered.elapsed()));
        assert_eq!(local.get(&user, None), None);
    }
}
