//! What a connection and the requests on it know of each other.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    path::PathBuf,
    rc::Rc,
    task::Waker,
    time::{Duration, Instant},
};

/// In the data of each connection. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Connection(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    bound: BoundTo,
    phase: Cell<Phase>,
    /// Of the task that reads.
    waker: RefCell<Option<Waker>>,
}

/// The listener that a connection came in on, by where it is bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BoundTo {
    /// The address of a TCP socket.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// What happens on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It was made then, and nothing has come yet.
    New(Instant),
    /// The head of a request is awaited since then: a part of it has come.
    Head(Instant),
    /// A request is being answered.
    Request,
    /// Nothing: the next request may come or not.
    Idle,
}

impl Connection {
    /// A connection that was just made.
    pub fn new(bound: BoundTo) -> Self {
        Self(Rc::new(Inner {
            bound,
            phase: Cell::new(Phase::New(Instant::now())),
            waker: RefCell::default(),
        }))
    }

    /// The listener.
    pub fn bound(&self) -> &BoundTo {
        &self.0.bound
    }

    /// Something has come from the client.
    pub fn received(&self) {
        match self.0.phase.get() {
            Phase::Idle => self.0.phase.set(Phase::Head(Instant::now())),
            Phase::New(since) => self.0.phase.set(Phase::Head(since)),
            Phase::Head(_) | Phase::Request => {}
        }
    }

    /// The task that reads waits for the client.
    pub fn waits(&self, waker: &Waker) {
        let mut waiting = self.0.waker.borrow_mut();
        match waiting.as_mut() {
            Some(before) => before.clone_from(waker),
            None => *waiting = Some(waker.clone()),
        }
    }

    /// A request is worked on, from its head until the last byte of its answer is on its way.
    pub(crate) fn begin(&self) {
        self.0.phase.set(Phase::Request);
    }

    /// Its answer is on its way.
    pub(crate) fn end(&self) {
        self.0.phase.set(Phase::Idle);
    }

    /// Lets the task that reads look again whether it shall go on.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.0.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// Whether no request has begun to come since the last one was answered.
    pub fn is_idle(&self) -> bool {
        matches!(self.0.phase.get(), Phase::New(_) | Phase::Idle)
    }

    /// When the head of the request has to be complete, if one is awaited.
    pub fn head_deadline(&self, timeout: Duration) -> Option<Instant> {
        match self.0.phase.get() {
            Phase::New(since) | Phase::Head(since) => Some(since + timeout),
            Phase::Request | Phase::Idle => None,
        }
    }
}
