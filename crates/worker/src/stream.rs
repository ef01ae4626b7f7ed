//! The stream of a client: ends those who are too slow, and closes idle connections when the worker stops.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use key_backup_api::{Connection, Instance, Pace};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep_until},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// A stream with its time limits. HTTP's own side of it does not look at the time once a connection has had its first request, and never
/// while it writes.
pub(crate) struct ClientStream<T> {
    io: T,
    connection: Connection,
    instance: Arc<Instance>,
    /// The worker stops: connections without a request are closed.
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
    /// What the client takes, while it keeps us waiting.
    taking: Option<Pace>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<T> ClientStream<T> {
    pub(crate) fn new(
        io: T,
        connection: Connection,
        instance: Arc<Instance>,
        closing: CancellationToken,
    ) -> Self {
        instance.metrics.limits.connected();
        Self {
            io,
            connection,
            instance,
            closing: Box::pin(closing.cancelled_owned()),
            taking: None,
            timer: None,
        }
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    fn too_slow(&self, reason: &str) -> io::Error {
        self.instance.metrics.limits.refused(reason);
        io::ErrorKind::TimedOut.into()
    }

    /// Nothing can be written until the client has taken something: it has to keep its pace.
    fn waits_for_client<R>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<R>> {
        let pace = self.taking.get_or_insert_with(|| self.instance.limits.pace());
        if !pace.is_kept() {
            return Poll::Ready(Err(self.too_slow("slow_answer")));
        }
        let deadline = pace.deadline();
        if self.has_come(deadline, context) {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Whether that moment has come; if not, this task is woken then.
    fn has_come(&mut self, moment: Instant, context: &mut Context<'_>) -> bool {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(moment.into())));
        if timer.deadline() != moment.into() {
            timer.as_mut().reset(moment.into());
        }
        timer.as_mut().poll(context).is_ready()
    }
}

impl<T> Drop for ClientStream<T> {
    fn drop(&mut self) {
        self.instance.metrics.limits.disconnected();
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for ClientStream<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut this.io).poll_read(context, buffer) {
            if buffer.filled().len() > before {
                this.connection.received();
            }
            return Poll::Ready(read);
        }
        this.connection.waits(context.waker());
        // What has arrived was read above: no request is lost that was here before the end.
        if this.closing.as_mut().poll(context).is_ready() && this.connection.is_idle() {
            return Poll::Ready(Ok(()));
        }
        let deadline = this.connection.head_deadline(this.instance.limits.settings.slow_client_timeout);
        if this.taking.is_none() && deadline.is_some_and(|deadline| this.has_come(deadline, context)) {
            return Poll::Ready(Err(this.too_slow("slow_head")));
        }
        Poll::Pending
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for ClientStream<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let Poll::Ready(written) = Pin::new(&mut this.io).poll_write(context, bytes) else {
            return this.waits_for_client(context);
        };
        if let (Some(pace), Ok(written)) = (&mut this.taking, &written) {
            pace.moved(*written);
        }
        Poll::Ready(written)
    }

    /// Under TLS an answer, or the end of it, may have been written and still not be with the kernel.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Poll::Ready(flushed) = Pin::new(&mut this.io).poll_flush(context) else {
            return this.waits_for_client(context);
        };
        // The kernel has taken everything: it is not the client whom we wait for.
        this.taking = None;
        Poll::Ready(flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Poll::Ready(shut_down) = Pin::new(&mut this.io).poll_shutdown(context) else {
            return this.waits_for_client(context);
        };
        Poll::Ready(shut_down)
    }
}
