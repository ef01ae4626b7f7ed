//! What a client wants next: by chance, from a seed, guided a little by what it was answered.

use fastrand::Rng;

use crate::{
    Backup,
    call::{Answer, Key, Keys, Operation, Place, Selection, Version},
};

const ROOMS: u8 = 3;
const SESSIONS: u8 = 10;
/// Of a user; so many that there is nearly always an older one to read and to delete.
const VERSIONS: usize = 4;
/// Keys that are sent once more.
const REMEMBERED: usize = 30;

/// The mind of one client.
pub(crate) struct Intent {
    chance: Rng,
    client: usize,
    /// For `auth_data` and keys that nobody else sends.
    numbers: u32,
    /// Those that the client believes to exist, in their order.
    versions: Vec<Version>,
    sent: Vec<(Place, Key)>,
}

impl Intent {
    pub(crate) fn new(seed: u64, client: usize) -> Self {
        let chance = Rng::with_seed(seed.wrapping_mul(1000).wrapping_add(client as u64));
        Self { chance, client, numbers: 0, versions: Vec::new(), sent: Vec::new() }
    }

    pub(crate) fn chance(&mut self) -> &mut Rng {
        &mut self.chance
    }

    /// Takes note of what there is.
    pub(crate) fn saw(&mut self, backup: &Backup) {
        self.versions = backup.versions.keys().copied().collect();
    }

    pub(crate) fn next(&mut self) -> Operation {
        let Some(current) = self.versions.last().copied() else {
            let auth_data = self.number();
            let create = self.chance.bool();
            return if create { Operation::CreateVersion { auth_data } } else { read(None) };
        };
        let version = if self.chance.u8(..10) > 0 { current } else { self.any_version(current) };
        let place = self.place();
        match self.chance.u8(..100) {
            0..50 => Operation::Upload { version, keys: self.upload() },
            50..62 => read(None),
            62..65 => read(Some(version)),
            65..73 => Operation::ReadKey { version, place },
            73..83 => Operation::Restore { version },
            83..88 => Operation::DeleteKeys { version, selection: Selection::Session(place) },
            88..91 => Operation::DeleteKeys { version, selection: Selection::Room(place.room) },
            91 => Operation::DeleteKeys { version, selection: Selection::All },
            92..96 => Operation::UpdateAuthData { version, auth_data: self.number() },
            96..98 if self.versions.len() < VERSIONS => Operation::CreateVersion { auth_data: self.number() },
            _ => Operation::DeleteVersion { version: self.any_version(current) },
        }
    }

    /// Now and then one that does not exist yet.
    fn any_version(&mut self, current: Version) -> Version {
        if self.chance.u8(..10) == 0 {
            return current + 1;
        }
        self.chance.choice(&self.versions).copied().unwrap_or(current)
    }

    fn place(&mut self) -> Place {
        Place { room: self.chance.u8(..ROOMS), session: self.chance.u8(..SESSIONS) }
    }

    /// A number that no other call has.
    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.client as u64 * 10_000_000 + u64::from(self.numbers)
    }

    /// Up to eight keys, or some that were sent before.
    fn upload(&mut self) -> Keys {
        if self.sent.len() == REMEMBERED && self.chance.u8(..6) == 0 {
            return self.chance.choose_multiple(self.sent.iter().copied(), 4).into_iter().collect();
        }
        let keys: Keys = (0..self.chance.usize(1..=8)).map(|_| (self.place(), self.key())).collect();
        self.sent.extend(keys.iter().map(|(place, key)| (*place, *key)));
        self.sent.drain(..self.sent.len().saturating_sub(REMEMBERED));
        keys
    }

    fn key(&mut self) -> Key {
        Key {
            unverified: self.chance.u8(..4) > 0,
            first_message_index: self.chance.i32(0..1000),
            forwarded_count: i32::try_from(self.number()).unwrap_or(i32::MAX),
        }
    }

    /// Takes note of an answer.
    pub(crate) fn learn(&mut self, operation: &Operation, answer: &Answer) {
        match (operation, answer) {
            (_, Answer::Created { version }) => self.exists(*version),
            (Operation::ReadVersion { version: None }, Answer::Version { version: current, .. })
            | (_, Answer::WrongVersion { current }) => {
                self.versions.retain(|version| version <= current);
                self.exists(*current);
            }
            (Operation::ReadVersion { version: None }, Answer::NotFound) => self.versions.clear(),
            (Operation::DeleteVersion { version }, _)
            | (Operation::Upload { version, .. } | Operation::Restore { version }, Answer::NotFound) => {
                self.versions.retain(|other| other != version);
            }
            _ => {}
        }
    }

    fn exists(&mut self, version: Version) {
        if let Err(place) = self.versions.binary_search(&version) {
            self.versions.insert(place, version);
        }
    }
}

fn read(version: Option<Version>) -> Operation {
    Operation::ReadVersion { version }
}
