//! Uploads of one user wait for each other. Those that waited together are merged by the rule of backups, stored as one upload, and share
//! its etag and count: as if they had been made one after another, and answered after the last.
//!
//! In PostgreSQL they would wait for one another, too, but each with a connection of its own, for a commit each, and with a count in hand
//! that is stale when its turn has come. Uploads of different users share statements: see `key_backup_storage::Upload`.

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque, hash_map::Entry},
    pin::pin,
};

use actix_web::{rt, web::Data};
use key_backup_metrics::{Uploaded, Work};
use key_backup_model::{BackupVersion, KeyCount, UploadRow, UserId, merge};
use key_backup_storage::{PutOutcome, StorageError, Upload, allow_for, in_time};
use key_backup_traces::{Context, current, within};
use tokio::sync::oneshot;

use crate::{AppState, counted::Turn, record::Record, work::weighed};

/// Keys that are merged at the most: what a client sends in one of its larger uploads. An upload of more is stored by itself.
const MERGED: usize = 1000;

/// The uploads that wait in one thread, by user and version. Where there is an entry, a task is on its way to empty it.
#[derive(Default)]
pub(crate) struct Uploads(RefCell<HashMap<(UserId, BackupVersion), VecDeque<Waiting>>>);

struct Waiting {
    rows: Vec<UploadRow>,
    /// What it is a part of, in a trace.
    context: Option<Context>,
    answer: oneshot::Sender<Answer>,
}

struct Answer {
    outcome: Result<PutOutcome, StorageError>,
    work: Work,
}

impl Uploads {
    /// `true` for the first: the caller has to begin the task.
    fn push(&self, user: &UserId, version: BackupVersion, waiting: Waiting) -> bool {
        match self.0.borrow_mut().entry((user.clone(), version)) {
            Entry::Occupied(queue) => {
                queue.into_mut().push_back(waiting);
                false
            }
            Entry::Vacant(place) => {
                place.insert(VecDeque::from([waiting]));
                true
            }
        }
    }

    /// The oldest that go together, of those whose clients still wait: who has given up may have deleted since what they would bring back.
    fn next(&self, key: &(UserId, BackupVersion)) -> Vec<Waiting> {
        let mut uploads = self.0.borrow_mut();
        let Some(queue) = uploads.get_mut(key) else { return Vec::new() };
        let (mut group, mut keys) = (Vec::new(), 0);
        queue.retain(|waiting| !waiting.answer.is_closed());
        while let Some(waiting) =
            queue.pop_front_if(|next| group.is_empty() || keys + next.rows.len() <= MERGED)
        {
            keys += waiting.rows.len();
            group.push(waiting);
        }
        group
    }

    /// Whether some wait.
    fn wait(&self, key: &(UserId, BackupVersion)) -> bool {
        self.0.borrow().get(key).is_some_and(|queue| !queue.is_empty())
    }
}

/// Stores an upload, together with what else of this user waits; see `Database::put_keys`. Once it is on its way it is finished even if the
/// client leaves; before, it is forgotten then.
///
/// The first of those that were stored together has all the work in its record and in its trace, and the numbers of keys in its outcome.
pub(crate) async fn put_keys(
    state: &Data<AppState>,
    record: &Record,
    user: &UserId,
    version: BackupVersion,
    rows: Vec<UploadRow>,
) -> Result<PutOutcome, StorageError> {
    let (answer, answered) = oneshot::channel();
    if state.uploads.push(user, version, Waiting { rows, context: current(), answer }) {
        rt::spawn(empty(Entered { state: state.clone(), key: (user.clone(), version) }));
    }
    let answered = in_time("wait_for_user", answered).await?;
    let Answer { outcome, work } = answered.map_err(|_| StorageError::abandoned())?;
    record.add_work(&work);
    outcome
}

/// A task's entry. It goes with the task, even if that panics: else all later uploads would wait for ever.
struct Entered {
    state: Data<AppState>,
    key: (UserId, BackupVersion),
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.state.uploads.0.borrow_mut().remove(&self.key);
    }
}

/// Stores what waits, until nothing does.
async fn empty(entered: Entered) {
    let Entered { state, key } = &entered;
    let (user, version) = key;
    while state.uploads.wait(key) {
        let turn = state.turn(user, *version).await;
        let group = state.uploads.next(key);
        if group.is_empty() {
            continue;
        }
        let context = group.first().and_then(|first| first.context.clone());
        let (rows, answers): (Vec<Vec<UploadRow>>, Vec<_>) =
            group.into_iter().map(|each| (each.rows, each.answer)).unzip();
        let keys = rows.iter().map(|rows| rows.len() as u64).sum();
        let upload = Upload {
            user: user.clone(),
            version: *version,
            rows: merge::merged(rows),
            known: turn.known.count,
        };
        let bytes = upload.rows.iter().map(bytes).sum();
        let put = pin!(async {
            allow_for(bytes);
            state.database.put_keys(upload).await
        });
        let (outcome, work) = weighed(within(context, put)).await;
        tell(answers, outcome.clone(), work);
        if let Ok(PutOutcome::Stored { keys: count, added, replaced }) = outcome {
            state.instance.metrics.operations.uploaded(Uploaded { keys, added, replaced });
            state.remember(user, &turn, count, added + replaced > 0).await;
        }
    }
}

/// What a row takes on its way to PostgreSQL, roughly.
fn bytes(row: &UploadRow) -> usize {
    row.room_id.as_str().len() + row.session_id.as_str().len() + row.key.session_data.as_str().len() + 32
}

fn tell(answers: Vec<oneshot::Sender<Answer>>, outcome: Result<PutOutcome, StorageError>, work: Work) {
    let others = outcome.clone().map(|outcome| match outcome {
        PutOutcome::Stored { keys, .. } => PutOutcome::Stored { keys, added: 0, replaced: 0 },
        other => other,
    });
    let mut first = Some(Answer { outcome, work });
    for answer in answers {
        let of_other = || Answer { outcome: others.clone(), work: Work::default() };
        // A client that has left waits no more.
        let _ = answer.send(first.take().unwrap_or_else(of_other));
    }
}

impl AppState {
    async fn remember(&self, user: &UserId, turn: &Turn<'_>, keys: KeyCount, changed: bool) {
        let is_right =
            |known: KeyCount| if changed { keys.etag.follows(known.etag) } else { keys.etag == known.etag };
        self.counts.note(&turn.known, is_right);
        self.counts.set(user, &turn.known, keys, true).await;
    }
}
