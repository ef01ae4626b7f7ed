//! What a user's backup is: the plain model that a history is held against.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::call::{Answer, Key, Keys, Operation, Place, Version};

/// All backups of one user. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Backup {
    /// The highest version there ever was; 0 before the first. Numbers have no gaps.
    pub highest: Version,
    /// Those that are not deleted. The last of them is the current one.
    pub versions: BTreeMap<Version, Contents>,
}

/// What one version holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Contents {
    /// Raised by one by each change of the keys.
    pub etag: u64,
    /// What was last sent.
    pub auth_data: u64,
    /// The best key of each session.
    #[serde(serialize_with = "unshared", deserialize_with = "shared")]
    pub keys: Arc<Keys>,
}

fn unshared<S: Serializer>(keys: &Arc<Keys>, serializer: S) -> Result<S::Ok, S::Error> {
    keys.as_ref().serialize(serializer)
}

fn shared<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Keys>, D::Error> {
    Keys::deserialize(deserializer).map(Arc::new)
}

impl Backup {
    /// The version that uploads go to.
    pub fn current(&self) -> Option<Version> {
        self.versions.keys().next_back().copied()
    }

    /// Does what is asked for, at once and on its own, and answers.
    pub fn apply(&mut self, operation: &Operation) -> Answer {
        match operation {
            Operation::CreateVersion { auth_data } => self.create(*auth_data),
            Operation::DeleteVersion { version } => {
                self.versions.remove(version);
                if (1..=self.highest).contains(version) { Answer::Done } else { Answer::NotFound }
            }
            Operation::ReadVersion { version } => self.read_version(*version),
            Operation::Upload { version, keys } => self.upload(*version, keys),
            Operation::Observe => Answer::Everything(self.clone()),
            Operation::UpdateAuthData { version, .. }
            | Operation::DeleteKeys { version, .. }
            | Operation::ReadKey { version, .. }
            | Operation::Restore { version } => match self.versions.get_mut(version) {
                Some(contents) => contents.apply(operation),
                None => Answer::NotFound,
            },
        }
    }

    fn create(&mut self, auth_data: u64) -> Answer {
        self.highest += 1;
        self.versions.insert(self.highest, Contents { auth_data, ..Contents::default() });
        Answer::Created { version: self.highest }
    }

    fn read_version(&self, version: Option<Version>) -> Answer {
        let version = version.or(self.current()).unwrap_or_default();
        self.versions.get(&version).map_or(Answer::NotFound, |contents| Answer::Version {
            version,
            etag: contents.etag,
            count: contents.count(),
            auth_data: contents.auth_data,
        })
    }

    fn upload(&mut self, version: Version, keys: &Keys) -> Answer {
        let current = self.current();
        match self.versions.get_mut(&version) {
            None => Answer::NotFound,
            Some(contents) if current == Some(version) => {
                if contents.merge(keys) {
                    contents.etag += 1;
                }
                contents.changed()
            }
            Some(_) => Answer::WrongVersion { current: current.unwrap_or_default() },
        }
    }
}

impl Contents {
    /// How many keys there are.
    pub fn count(&self) -> u64 {
        self.keys.len() as u64
    }

    /// Takes the keys that are new or better, and says whether there were any. The etag stays as it is.
    pub fn merge(&mut self, keys: &Keys) -> bool {
        let is_better = |(place, key): &(&Place, &Key)| self.keys.get(place).is_none_or(|old| **key < *old);
        let better: Vec<_> = keys.iter().filter(is_better).collect();
        if better.is_empty() {
            return false;
        }
        Arc::make_mut(&mut self.keys).extend(better);
        true
    }

    fn apply(&mut self, operation: &Operation) -> Answer {
        match operation {
            Operation::UpdateAuthData { auth_data, .. } => {
                self.auth_data = *auth_data;
                Answer::Done
            }
            Operation::DeleteKeys { selection, .. } => {
                Arc::make_mut(&mut self.keys).retain(|place, _| !selection.includes(*place));
                self.etag += 1;
                self.changed()
            }
            Operation::ReadKey { place, .. } => {
                self.keys.get(place).map_or(Answer::NotFound, |key| Answer::Key(*key))
            }
            _ => Answer::Keys(self.keys.as_ref().clone()),
        }
    }

    fn changed(&self) -> Answer {
        Answer::Changed { etag: self.etag, count: self.count() }
    }
}
