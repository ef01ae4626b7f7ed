//! Memory for restores that are held whole.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a key takes in an answer, in bytes, with its names and what of the last chunk stays empty; a little more than most do.
const KEY: u32 = 1024;

/// Where keys take more than was thought, they are given so many bytes at a time.
const MORE: usize = 64 << 10;

/// What one restore may take at the most, in bytes.
const ONE: u32 = 12 << 20;

/// The memory that all restores of an instance share. Where it is taken, restores stream.
pub(crate) struct RestoreMemory(Arc<Semaphore>);

/// A part of it, given back when this is dropped.
pub(crate) struct Memory(OwnedSemaphorePermit);

impl RestoreMemory {
    pub(super) fn new(bytes: u64) -> Self {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    /// `None` if so many keys are too many, or too many for now.
    pub(crate) fn for_keys(&self, keys: i64) -> Option<Memory> {
        let bytes = u32::try_from(keys).ok()?.checked_mul(KEY).filter(|bytes| *bytes <= ONE)?;
        Arc::clone(&self.0).try_acquire_many_owned(bytes).ok().map(Memory)
    }
}

impl Memory {
    /// Whether so many bytes in all are held. Takes more where they are not yet, unless it is too much for one, or too much for now.
    pub(crate) fn holds(&mut self, bytes: usize) -> bool {
        let held = self.0.num_permits();
        if bytes <= held {
            return true;
        }
        let wanted = bytes.max((held + MORE).min(ONE as usize));
        let Some(more) = u32::try_from(wanted - held).ok().filter(|_| wanted <= ONE as usize) else {
            return false;
        };
        let more = Arc::clone(self.0.semaphore()).try_acquire_many_owned(more);
        more.map(|more| self.0.merge(more)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restores_that_are_held_share_the_memory() {
        let memory = RestoreMemory::new(20 << 20);
        let first = memory.for_keys(12_000);
        assert!(first.is_some());
        assert!(memory.for_keys(12_000).is_none());
        assert!(memory.for_keys(5_000).is_some());
        drop(first);
        assert!(memory.for_keys(12_000).is_some());
        assert!(memory.for_keys(12_500).is_none(), "no single one may take so much");
    }

    #[test]
    fn a_restore_that_needs_more_takes_it_as_long_as_there_is_any() {
        let memory = RestoreMemory::new(20 << 20);
        let mut first = memory.for_keys(1).unwrap();
        assert!(first.holds(1024) && first.holds(12 << 20));
        assert!(!first.holds((12 << 20) + 1), "no single one may take so much");
        let mut second = memory.for_keys(1).unwrap();
        assert!(second.holds(7 << 20));
        assert!(!second.holds(9 << 20));
        drop(first);
        assert!(second.holds(9 << 20));
    }
}
