//! Uploads that wait share a statement and a commit, which is most of what a small upload costs.
//!
//! A thread sends few batches at a time. What arrives meanwhile waits, and is the next batch; nothing ever waits for a batch to fill.
//! An upload begun is finished even if nobody waits for its outcome any more; one that is not is forgotten.

use std::{
    collections::{HashSet, VecDeque},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use key_backup_traces as traces;
use tokio::sync::oneshot;

use crate::{
    Database, DatabaseUsage, PutOutcome, StorageError, in_time,
    lease::Lease,
    pool::PATIENCE,
    put::{PUT, Upload},
    usage,
};

/// Batches that a thread has in flight: one is at work while the other is on its way. More would only make them smaller.
const LANES: usize = 2;

/// Keys of an upload that shares. A larger one has little to win, and would hold up the small ones.
const SMALL: usize = 64;

/// Keys of a batch.
const BATCH: usize = 256;

/// The uploads of one thread that wait.
#[derive(Default)]
pub(crate) struct Batches(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    uploads: VecDeque<(Upload, Queued)>,
    lanes: usize,
}

/// Where the outcome of an upload goes.
struct Queued {
    since: Instant,
    answer: oneshot::Sender<Answer>,
}

impl Queued {
    /// Refuses what has waited for too long: to get to all of them too late would serve nobody. `counted` counts the refusal.
    fn in_time(self, counted: impl Fn(StorageError) -> StorageError) -> Option<Self> {
        if self.answer.is_closed() {
            return None;
        }
        let connection_wait = self.since.elapsed();
        if connection_wait <= PATIENCE {
            return Some(self);
        }
        let used = DatabaseUsage { connection_wait, ..DatabaseUsage::default() };
        let _ = self.answer.send((Err(counted(StorageError::Busy { desc: PUT.desc })), used));
        None
    }
}

type Answer = (Result<PutOutcome, StorageError>, DatabaseUsage);

impl Batches {
    /// Queues an upload; `true` if the caller has to begin a lane.
    fn push(&self, upload: Upload, queued: Queued) -> bool {
        let mut waiting = self.waiting();
        waiting.uploads.push_back((upload, queued));
        let has_lane = waiting.lanes < LANES;
        waiting.lanes += usize::from(has_lane);
        has_lane
    }

    /// The oldest uploads, as many as go together: of one user there is only one. Another lane may have taken them all.
    ///
    /// Those that nobody waits for any more are left out: who has given up may have deleted since what they would bring back.
    fn next(&self, counted: impl Fn(StorageError) -> StorageError) -> (Vec<Upload>, Vec<Queued>) {
        let mut waiting = self.waiting();
        let (mut batch, mut users, mut keys) = (Vec::new(), HashSet::new(), 0);
        for (upload, queued) in mem::take(&mut waiting.uploads) {
            let Some(queued) = queued.in_time(&counted) else { continue };
            let fits = batch.is_empty() || keys + upload.rows.len() <= BATCH;
            if fits && users.insert(upload.user.clone()) {
                keys += upload.rows.len();
                batch.push((upload, queued));
            } else {
                waiting.uploads.push_back((upload, queued));
            }
        }
        batch.into_iter().unzip()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // A thread that panicked here cannot have left it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the lanes of a thread. It gives its place back when it ends, even if that is by a panic: else uploads would wait for ever.
struct Lane {
    database: Database,
    ended: bool,
}

impl Lane {
    /// Whether uploads wait. Where none do the lane has ended, so that whoever comes next begins another.
    fn goes_on(&mut self) -> bool {
        let mut waiting = self.database.batches.waiting();
        self.ended = waiting.uploads.is_empty();
        waiting.lanes -= usize::from(self.ended);
        !self.ended
    }

    /// Sends batch after batch, each once a connection is free for it, until nothing waits.
    async fn run(mut self) {
        while self.goes_on() {
            let client = self.database.put_connection().await;
            let (uploads, waiting) = self.database.batches.next(|error| self.database.failed(error));
            if uploads.is_empty() {
                continue;
            }
            let started = Instant::now();
            let outcomes = match client {
                Ok(client) => self.database.put_together(client, &uploads).await,
                Err(error) => vec![Err(error); uploads.len()],
            };
            for (waiting, outcome) in waiting.into_iter().zip(outcomes) {
                let used = DatabaseUsage {
                    transactions: 1,
                    transaction_time: started.elapsed(),
                    connection_wait: started - waiting.since,
                };
                // Whoever asked may have left.
                let _ = waiting.answer.send((outcome, used));
            }
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if !self.ended {
            self.database.batches.waiting().lanes -= 1;
        }
    }
}

impl Database {
    /// Merges an upload into its version, which has to be the current one, and raises the etag by one if that changed anything. All or
    /// nothing; on return it is committed.
    ///
    /// # Errors
    ///
    /// [`StorageError`]; after [`StorageError::Unavailable`] it may have been committed all the same. To send the same
    /// rows again is safe.
    pub async fn put_keys(&self, upload: Upload) -> Result<PutOutcome, StorageError> {
        if upload.rows.len() > SMALL {
            return self.put_alone(&upload).await;
        }
        let (answer, answered) = oneshot::channel();
        if self.batches.push(upload, Queued { since: Instant::now(), answer }) {
            tokio::spawn(Lane { database: self.clone(), ended: false }.run());
        }
        let answered = in_time(PUT.desc, answered).await.map_err(|error| self.failed(error))?;
        let (outcome, used) = answered.map_err(|_| StorageError::abandoned())?;
        usage::add(used);
        // The lane belongs to no request, and each of those that shared it shows it.
        traces::transaction(PUT.desc, PUT.verb, used.transaction_time, outcome.is_ok());
        outcome
    }

    async fn put_alone(&self, upload: &Upload) -> Result<PutOutcome, StorageError> {
        let client = self.put_connection().await?;
        let outcomes = self.put(client, std::slice::from_ref(upload)).await?;
        Ok(outcomes.first().copied().unwrap_or(PutOutcome::UnknownVersion))
    }

    /// What one upload alone is to blame for must not befall the others.
    async fn put_together(&self, client: Lease, uploads: &[Upload]) -> Vec<Result<PutOutcome, StorageError>> {
        match self.put(client, uploads).await {
            Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
            Err(error) if uploads.len() == 1 || matches!(error, StorageError::Unavailable { .. }) => {
                vec![Err(error); uploads.len()]
            }
            Err(_) => {
                let mut outcomes = Vec::with_capacity(uploads.len());
                for upload in uploads {
                    outcomes.push(self.put_alone(upload).await);
                }
                outcomes
            }
        }
    }
}
