//! What the answers of a history tell, known before the search begins. It keeps the search from ways that lead nowhere.
//!
//! Each of these is a condition that every position has to meet from which there is a way to the end. Without them the search would find
//! the same, later.

mod etags;
mod keys;
mod versions;

use super::Position;
use crate::call::{Call, Version};
use etags::Etags;
use keys::ToldKeys;
use versions::Versions;

/// All of it.
pub(super) struct Told {
    etags: Etags,
    versions: Versions,
    keys: ToldKeys,
}

impl Told {
    pub(super) fn by(calls: &[Call]) -> Self {
        Self { etags: Etags::of(calls), versions: Versions::of(calls), keys: ToldKeys::of(calls) }
    }

    /// Whether a position can lead to an end.
    pub(super) fn allows(&self, position: &Position, calls: &[Call]) -> bool {
        self.versions.allow(position, calls)
            && self.etags.allow(position, calls)
            && self.keys.allow(position, calls)
    }

    /// Whether this call may be the one that makes this version.
    pub(super) fn may_make(&self, version: Version, call: usize) -> bool {
        self.versions.may_make(version, call)
    }
}
