//! Memory for restores that are held whole.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a key takes in an answer, in bytes, with its names and what of the last chunk stays empty; a little more than most do.
const KEY: u32 = 1024;

/// What one restore may take at the most, in bytes.
const ONE: u32 = 12 << 20;

/// The memory that all restores of an instance share. Where it is taken, restores stream.
pub(crate) struct RestoreMemory(Arc<Semaphore>);

/// A part of it, given back when this is dropped.
pub(crate) struct Memory(#[expect(dead_code, reason = "it is held, never read")] OwnedSemaphorePermit);

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
}
