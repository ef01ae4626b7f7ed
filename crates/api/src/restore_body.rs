//! The body of a restore: pages of rows turned into bytes of JSON while the next page is being read.
//!
//! A backup that fits one page is sent whole, with its length. A larger one streams: a task reads pages and writes them into a
//! channel that holds one chunk, so that at any time one page is being read, one waits, and one is being sent, however slow the client is.
//! Should the version vanish on the way, or the database fail, the connection is broken off: what the client has is no JSON then,
//! and it cannot take a part for the whole.

use std::rc::Rc;

use actix_web::{
    HttpResponse,
    body::BodyStream,
    web::{Bytes, Data},
};
use futures_util::stream;
use key_backup_model::{BackupVersion, RoomId, UserId};
use key_backup_storage::{Page, PlacedKey, Position, measured};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::{
    ApiError, AppState, cpu::metered, handlers::Call, json, limits::RestorePlace, record::Record, reply,
};

/// What one key takes besides its `session_data`, roughly.
const BYTES_AROUND_A_KEY: usize = 128;

/// Answers with all keys of a version, or of one of its rooms.
pub(crate) async fn answer(
    call: Call,
    user: UserId,
    version: BackupVersion,
    room: Option<RoomId>,
) -> Result<HttpResponse, ApiError> {
    let protocol = call.request.version();
    let place = call.restore_place().await?;
    let restore = Restore { state: call.state, record: call.record, user, version, room, _place: place };
    let first = restore.page(None).await?.ok_or_else(|| ApiError::not_found("Unknown backup version"))?;
    let mut writer = Writer::new(restore.room.is_some());
    let mut bytes = writer.open();
    restore.record.add_rows_out(first.len());
    writer.page(&mut bytes, &first);
    let Some(position) = first.next() else {
        writer.close(&mut bytes);
        return Ok(reply::json(bytes));
    };
    drop(first);
    let (sender, receiver) = channel(1);
    actix_web::rt::spawn(restore.send_rest(writer, bytes, position, sender));
    Ok(reply::json_stream(BodyStream::new(chunks(receiver)), protocol))
}

/// The connection has to be broken off: the reason is in the log.
#[derive(Debug, thiserror::Error)]
#[error("the restore was broken off")]
struct BrokenOff;

fn chunks(
    receiver: Receiver<Result<Bytes, BrokenOff>>,
) -> impl futures_util::Stream<Item = Result<Bytes, BrokenOff>> {
    stream::unfold(receiver, async |mut receiver| receiver.recv().await.map(|chunk| (chunk, receiver)))
}

struct Restore {
    state: Data<AppState>,
    record: Rc<Record>,
    user: UserId,
    version: BackupVersion,
    room: Option<RoomId>,
    _place: RestorePlace,
}

impl Restore {
    async fn page(&self, after: Option<&Position>) -> Result<Option<Page>, ApiError> {
        // It is never closed.
        let _turn = self.state.pages.acquire().await.ok();
        Ok(self.state.database.page(&self.user, self.version, self.room.as_ref(), after).await?)
    }

    /// Sends what has been written and then page after page, until the end or until the client has left.
    async fn send_rest(
        self,
        mut writer: Writer,
        mut bytes: Vec<u8>,
        mut position: Position,
        sender: Sender<Result<Bytes, BrokenOff>>,
    ) {
        loop {
            if sender.send(Ok(bytes.into())).await.is_err() {
                return;
            }
            let ((page, database), cpu) = metered(measured(Box::pin(self.page(Some(&position))))).await;
            self.record.add_work(database, cpu);
            let Some(page) = self.found(page) else {
                // The receiver may have left already: then nobody has to be told.
                let _ = sender.send(Err(BrokenOff)).await;
                return;
            };
            self.record.add_rows_out(page.len());
            bytes = Vec::with_capacity(page.len() * 1024);
            writer.page(&mut bytes, &page);
            let Some(next) = page.next() else { break };
            position = next;
        }
        writer.close(&mut bytes);
        let _ = sender.send(Ok(bytes.into())).await;
    }

    fn found(&self, page: Result<Option<Page>, ApiError>) -> Option<Page> {
        match page {
            Ok(Some(page)) => Some(page),
            Ok(None) => {
                tracing::info!("broke off a restore for {}: version {} was deleted", self.user, self.version);
                None
            }
            // An outage is told once, and not for each restore.
            Err(error) if !error.is_a_mistake() => None,
            Err(error) => {
                tracing::error!("broke off a restore for {}: {error}", self.user);
                None
            }
        }
    }
}

/// Writes pages one after another into one JSON object.
struct Writer {
    one_room: bool,
    /// The room whose object is open.
    room: Option<String>,
    any: bool,
}

impl Writer {
    fn new(one_room: bool) -> Self {
        Self { one_room, room: None, any: false }
    }

    fn open(&self) -> Vec<u8> {
        if self.one_room { b"{\"sessions\":{".to_vec() } else { b"{\"rooms\":{".to_vec() }
    }

    fn page(&mut self, out: &mut Vec<u8>, page: &Page) {
        out.reserve(page.keys().map(|placed| placed.key.session_data.len() + BYTES_AROUND_A_KEY).sum());
        page.keys().for_each(|placed| self.placed_key(out, &placed));
    }

    fn placed_key(&mut self, out: &mut Vec<u8>, placed: &PlacedKey<'_>) {
        let same_room = self.one_room || self.room.as_deref() == Some(placed.room_id);
        if self.any {
            out.extend_from_slice(if same_room { b"," } else { b"}}," });
        }
        if !same_room {
            json::string(out, placed.room_id);
            out.extend_from_slice(b":{\"sessions\":{");
            self.room = Some(placed.room_id.to_owned());
        }
        self.any = true;
        json::string(out, placed.session_id);
        out.push(b':');
        json::key(out, &placed.key);
    }

    fn close(&self, out: &mut Vec<u8>) {
        let room_is_open = self.any && !self.one_room;
        out.extend_from_slice(if room_is_open { b"}}}}" } else { b"}}" });
    }
}
