//! Writing histories down in few words.

use std::ops::Range;

use key_backup_torture::{
    Backup, Verdict,
    call::{Answer, Answered, Call, Key, Keys, Operation, Place, Selection},
    check,
};

/// A history of a user who has version 1 with etag 0 and no keys.
#[derive(Default)]
pub(crate) struct History {
    calls: Vec<Call>,
}

impl History {
    /// A call, from its beginning to its end, and its answer.
    pub(crate) fn call(mut self, time: Range<u64>, operation: Operation, answer: Answer) -> Self {
        let answered = Some(Answered { at: time.end, answer });
        self.calls.push(Call { client: self.calls.len(), worker: 0, operation, began: time.start, answered });
        self
    }

    /// A call that was never answered.
    pub(crate) fn unanswered(mut self, began: u64, operation: Operation) -> Self {
        self.calls.push(Call { client: self.calls.len(), worker: 0, operation, began, answered: None });
        self
    }

    /// Checks that it can have been.
    #[track_caller]
    pub(crate) fn is_possible(&self) {
        if let Verdict::Impossible(explanation) = check(&with_version(), &self.calls) {
            panic!("{explanation}");
        }
    }

    /// Checks that it cannot have been, and that the call of that number is blamed.
    #[track_caller]
    pub(crate) fn is_impossible_from(&self, number: usize) {
        match check(&with_version(), &self.calls) {
            Verdict::Linearizable { .. } => panic!("explained: {:#?}", self.calls),
            Verdict::Impossible(explanation) => {
                assert!(!explanation.gave_up);
                assert_eq!(explanation.culprit.as_ref(), Some(&self.calls[number]), "{explanation}");
            }
        }
    }
}

pub(crate) fn with_version() -> Backup {
    let mut backup = Backup::default();
    backup.apply(&Operation::CreateVersion { auth_data: 0 });
    backup
}

pub(crate) fn place(session: u8) -> Place {
    Place { room: session % 2, session }
}

/// A verified key: the lower the index, the better.
pub(crate) fn key(first_message_index: i32) -> Key {
    Key { unverified: false, first_message_index, forwarded_count: 0 }
}

/// An upload of sessions with their indexes.
pub(crate) fn upload(sessions: &[(u8, i32)]) -> Operation {
    Operation::Upload { version: 1, keys: keys(sessions) }
}

pub(crate) fn keys(sessions: &[(u8, i32)]) -> Keys {
    sessions.iter().map(|(session, index)| (place(*session), key(*index))).collect()
}

pub(crate) fn changed(etag: u64, count: u64) -> Answer {
    Answer::Changed { etag, count }
}

pub(crate) fn read_version() -> Operation {
    Operation::ReadVersion { version: None }
}

pub(crate) fn version(etag: u64, count: u64) -> Answer {
    Answer::Version { version: 1, etag, count, auth_data: 0 }
}

pub(crate) fn restore() -> Operation {
    Operation::Restore { version: 1 }
}

pub(crate) fn restored(sessions: &[(u8, i32)]) -> Answer {
    Answer::Keys(keys(sessions))
}

pub(crate) fn read(session: u8) -> Operation {
    Operation::ReadKey { version: 1, place: place(session) }
}

pub(crate) fn delete(selection: Selection) -> Operation {
    Operation::DeleteKeys { version: 1, selection }
}
