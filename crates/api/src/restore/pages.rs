//! A restore in pages, of any size in little memory.
//!
//! A backup that fits one page is sent whole, with its length. A larger one streams: a task reads pages and hands each on when the one
//! before has been taken, so that at any time one page is being read, one waits, and one is being sent, however slow the client is.
//! Should the version vanish on the way, or the database fail, the connection is broken off: what the client has is no JSON then,
//! and it cannot take a part for the whole.

use std::{pin::pin, sync::Arc};

use actix_web::{HttpResponse, body::BodyStream, rt, web::Bytes};
use futures_util::{StreamExt, stream};
use key_backup_metrics::{Metrics, RestoreOutcome};
use key_backup_storage::{Page, PlacedKey, Position};
use key_backup_traces::{current, within};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::{
    BrokenOff, Chunk, Pieces, Restore,
    writer::{self, Writer},
};
use crate::{
    ApiError,
    handlers::unknown_version,
    reply,
    work::{in_block, weighed},
};

/// A page as it will be sent, or that there will be no more.
type Sent = Result<Vec<Bytes>, BrokenOff>;

/// Reads the first page, and answers with it or with all.
pub(super) async fn answer(restore: Restore) -> Result<HttpResponse, ApiError> {
    let mut writer = Writer::new(restore.room.is_some());
    let mut pieces = Pieces::default();
    writer.open(&mut pieces);
    let turn = restore.turn().await?;
    let page = restore.page(None, &mut writer, &mut pieces).await?.ok_or_else(unknown_version)?;
    drop(turn);
    let Some(next) = page.next else {
        writer.close(&mut pieces);
        return Ok(restore.whole(pieces.into_chunks(), ()));
    };
    let protocol = restore.protocol;
    let (sender, receiver) = channel(1);
    let sending = Sending::begin(receiver, Arc::clone(&restore.state.instance.metrics));
    let rest = Box::pin(restore.send_rest(writer, pieces, next, sender));
    rt::spawn(within(current(), rest));
    Ok(reply::json_stream(BodyStream::new(chunks(sending)), protocol))
}

/// A restore that is being sent. Where it is dropped before its end, the client has left.
struct Sending {
    receiver: Receiver<Sent>,
    metrics: Arc<Metrics>,
    outcome: RestoreOutcome,
}

impl Sending {
    fn begin(receiver: Receiver<Sent>, metrics: Arc<Metrics>) -> Self {
        metrics.operations.long_restore_begun();
        Self { receiver, metrics, outcome: RestoreOutcome::ClientLeft }
    }

    async fn next(&mut self) -> Option<Sent> {
        let page = self.receiver.recv().await;
        match &page {
            Some(Ok(chunks)) => {
                self.metrics.operations.long_restore_sent(chunks.iter().map(Bytes::len).sum());
            }
            Some(Err(BrokenOff)) => self.outcome = RestoreOutcome::BrokenOff,
            None => self.outcome = RestoreOutcome::Complete,
        }
        page
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.metrics.operations.long_restore_ended(self.outcome);
    }
}

fn chunks(sending: Sending) -> impl stream::Stream<Item = Chunk> {
    let pages = stream::unfold(sending, async |mut sending| Some((sending.next().await?, sending)));
    pages.flat_map(|page| match page {
        Ok(chunks) => stream::iter(chunks).map(Ok).left_stream(),
        Err(broken_off) => stream::iter([Err(broken_off)]).right_stream(),
    })
}

impl Restore {
    /// Writes a page; `None` if the version is gone.
    async fn page(
        &self,
        after: Option<&Position>,
        writer: &mut Writer,
        out: &mut Pieces,
    ) -> Result<Option<Page>, ApiError> {
        let room = self.room.as_ref();
        let write = |placed: &PlacedKey<'_>| writer.key(out.with_space(writer::space(placed)), placed);
        let page = self.state.database.page(&self.user, self.version, room, after, write);
        let page = in_block(&self.state.instance.metrics.blocks.restore_page, pin!(page)).await?;
        self.count(page.as_ref().map_or(0, |page| page.keys));
        Ok(page)
    }

    /// Sends what has been written and then page after page, until the end or until the client has left.
    async fn send_rest(
        self,
        mut writer: Writer,
        first: Pieces,
        mut position: Position,
        sender: Sender<Sent>,
    ) {
        let mut chunks = first.into_chunks();
        loop {
            if sender.send(Ok(chunks)).await.is_err() {
                return;
            }
            let mut pieces = Pieces::default();
            // As long as it takes: the client has a part already, which is worth nothing without the rest. It is never closed.
            let turn = self.state.pages.acquire().await.ok();
            let read = self.page(Some(&position), &mut writer, &mut pieces);
            let (page, work) = weighed(pin!(read)).await;
            self.record.add_work(&work);
            drop(turn);
            let Some(page) = self.found(page) else {
                // The receiver may have left already: then nobody has to be told.
                let _ = sender.send(Err(BrokenOff)).await;
                return;
            };
            let Some(next) = page.next else {
                writer.close(&mut pieces);
                let _ = sender.send(Ok(pieces.into_chunks())).await;
                return;
            };
            chunks = pieces.into_chunks();
            position = next;
        }
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
