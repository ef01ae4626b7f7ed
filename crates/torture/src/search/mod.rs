//! The search for an order of a user's calls that explains every answer: Wing and Gong's, with Lowe's memory of where it has been.

mod explanation;
mod order;
mod step;
mod told;
mod unanswered;

use std::{collections::HashSet, rc::Rc};

use crate::{Backup, call::Call};
use order::Order;
use told::Told;
use unanswered::{Unanswered, noticeable};

pub use explanation::Explanation;

/// States after which the search gives up. Valid histories of our runs take a few per call.
const LIMIT: usize = 300_000;

/// What was found out about a history.
#[derive(Debug)]
pub enum Verdict {
    /// There is an order that explains every answer.
    Linearizable {
        /// The states that were looked at until it was found.
        states: usize,
    },
    /// There is none, or none was found among very many.
    Impossible(Box<Explanation>),
}

/// Whether there is an order of the calls of one user, who had `before` when the first began, that explains every answer.
pub fn check(before: &Backup, calls: &[Call]) -> Verdict {
    let mut search = Search::new(before, calls);
    match search.run() {
        Outcome::Explained => Verdict::Linearizable { states: search.visited.len() },
        Outcome::Exhausted | Outcome::GaveUp => {
            Verdict::Impossible(Box::new(Explanation::of(before, calls, search.visited.len())))
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Explained,
    Exhausted,
    GaveUp,
}

/// A way through the calls so far: where it has led to, and by which calls, the last first.
#[derive(Debug, Clone)]
struct Path {
    at: Position,
    trail: Option<Rc<Trail>>,
}

#[derive(Debug)]
struct Trail {
    call: usize,
    before: Option<Rc<Trail>>,
}

/// All that matters for what can come next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Position {
    order: Order,
    backup: Backup,
    batch: Option<Batch>,
}

/// Uploads to the current version that are just taking effect together. Their keys are merged, the etag is still that of before.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Batch {
    /// The count that its members were told.
    count: Option<u64>,
    /// Whether a key was new or better.
    changed: bool,
    /// Until when a call must have begun to be part of it.
    deadline: u64,
    /// Calls without an answer join in their order, so that no set of them is tried twice: only from this one on.
    joined: usize,
}

struct Search {
    /// By their beginning.
    calls: Vec<Call>,
    unanswered: Unanswered,
    told: Told,
    visited: HashSet<Position>,
    stack: Vec<Path>,
    /// The path that explained the most answers.
    best: Path,
}

impl Search {
    fn new(before: &Backup, calls: &[Call]) -> Self {
        let mut calls = noticeable(calls);
        calls.sort_by_key(|call| call.began);
        let unanswered = Unanswered::of(&calls);
        let at = Position { order: Order::new(&calls), backup: before.clone(), batch: None };
        let start = Path { at, trail: None };
        let told = Told::by(&calls);
        Self { calls, unanswered, told, visited: HashSet::new(), stack: vec![start.clone()], best: start }
    }

    fn run(&mut self) -> Outcome {
        while let Some(mut path) = self.stack.pop() {
            if path.at.batch.is_none() {
                self.take_what_changes_nothing(&mut path);
            }
            if !self.told.allows(&path.at, &self.calls) || !self.visited.insert(path.at.clone()) {
                continue;
            }
            if path.at.order.answered() > self.best.at.order.answered() {
                self.best = path.clone();
            }
            if path.at.batch.is_none() && path.at.order.is_complete(&self.calls) {
                return Outcome::Explained;
            }
            if self.visited.len() > LIMIT {
                return Outcome::GaveUp;
            }
            self.push_next(&path);
        }
        Outcome::Exhausted
    }
}

impl Path {
    fn with(&self, call: usize, calls: &[Call], backup: Backup) -> Self {
        let mut order = self.at.order.clone();
        order.take(call, calls);
        let trail = Some(Rc::new(Trail { call, before: self.trail.clone() }));
        Self { at: Position { order, backup, batch: self.at.batch.clone() }, trail }
    }

    /// The calls in their order.
    fn calls(&self) -> Vec<usize> {
        let mut calls = Vec::new();
        let mut trail = self.trail.as_ref();
        while let Some(link) = trail {
            calls.push(link.call);
            trail = link.before.as_ref();
        }
        calls.reverse();
        calls
    }
}

/// A path may be very long: it must not be dropped by recursion.
impl Drop for Trail {
    fn drop(&mut self) {
        let mut before = self.before.take();
        while let Some(mut link) = before.and_then(Rc::into_inner) {
            before = link.before.take();
        }
    }
}
