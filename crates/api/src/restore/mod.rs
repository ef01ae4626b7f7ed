//! The body of a restore, written row by row while the rows come from PostgreSQL.
//!
//! A backup that is known to be small is read in the order of the table, which is cheap, sorted into rooms in memory, and sent whole: see
//! `grouped`. Any other streams in pages that are read in the order of an index: see `pages`. So does one that turns out to be larger than was
//! known: nothing of it has been sent by then.

mod grouped;
mod pages;
mod pieces;
mod writer;

use std::rc::Rc;

use actix_web::{
    HttpResponse,
    body::SizedStream,
    http::Version,
    web::{Bytes, Data},
};
use futures_util::stream;
use key_backup_model::{BackupVersion, RoomId, UserId};
use key_backup_storage::{StorageError, patiently};

use self::pieces::Pieces;
use crate::{
    ApiError, AppState,
    handlers::Call,
    limits::{Memory, RestorePlace},
    record::Record,
    reply,
};

/// What is restored, and for whom.
struct Restore {
    state: Data<AppState>,
    record: Rc<Record>,
    protocol: Version,
    user: UserId,
    version: BackupVersion,
    room: Option<RoomId>,
    _place: RestorePlace,
}

/// Answers with all keys of a version, or of one of its rooms.
pub(crate) async fn answer(
    call: Call,
    user: UserId,
    version: BackupVersion,
    room: Option<RoomId>,
) -> Result<HttpResponse, ApiError> {
    let protocol = call.request.version();
    let place = call.restore_place().await?;
    let restore =
        Restore { state: call.state, record: call.record, protocol, user, version, room, _place: place };
    if let Some(memory) = restore.memory().await
        && let Some(answer) = grouped::answer(&restore, memory).await?
    {
        return Ok(answer);
    }
    pages::answer(restore).await
}

impl Restore {
    /// Memory for all keys at once, if it is known how many they are, and there is enough of it. What is known may be old by now: whoever
    /// takes more than the memory is stopped while it reads.
    async fn memory(&self) -> Option<Memory> {
        if self.room.is_some() {
            return None;
        }
        let remembered = self.state.counts.remembered(&self.user, Some(self.version));
        let known = match remembered {
            None => self.state.counts.get(&self.user, Some(self.version)).await.count,
            remembered => remembered,
        };
        self.state.instance.limits.restore_memory.for_keys(known?.count)
    }

    /// Waits for the turn to read keys, no longer than for the database itself.
    async fn turn(&self) -> Result<impl Sized, StorageError> {
        patiently("wait_for_restores", self.state.pages.acquire()).await
    }

    fn count(&self, keys: u32) {
        self.record.add_rows_out(keys);
        self.state.instance.metrics.operations.restored(keys);
    }

    /// An answer of known length. What is `held` is held until the client has it, or has left.
    fn whole(&self, chunks: Vec<Bytes>, held: impl Sized + 'static) -> HttpResponse {
        let length = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        self.state.instance.metrics.operations.restored_at_once(length);
        let chunks = chunks.into_iter().map(move |chunk| {
            let _held = &held;
            Chunk::Ok(chunk)
        });
        reply::json(SizedStream::new(length, stream::iter(chunks)))
    }
}

/// The connection has to be broken off: the reason is in the log.
#[derive(Debug, thiserror::Error)]
#[error("the restore was broken off")]
struct BrokenOff;

type Chunk = Result<Bytes, BrokenOff>;
