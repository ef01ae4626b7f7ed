//! What may happen next.

use super::{Batch, Path, Search};
use crate::call::{Answer, Keys, Operation};

impl Search {
    /// Puts those calls in order whose answers are explained by the backup as it is.
    ///
    /// Nothing is lost by taking them first. They change nothing, so whatever follows can still follow; and none of them could change
    /// anything later and be answered the same: each change is answered with a new etag or a new version.
    pub(super) fn take_what_changes_nothing(&self, path: &mut Path) {
        loop {
            let (next, _) = path.at.order.next(&self.calls);
            let mut any = false;
            for number in next {
                if let Some(after) =
                    self.explained(path, number).filter(|after| after.at.backup == path.at.backup)
                {
                    *path = after;
                    any = true;
                }
            }
            if !any {
                return;
            }
        }
    }

    /// Pushes all paths that are one step longer, the likeliest last: it is tried first.
    pub(super) fn push_next(&mut self, path: &Path) {
        if let Some(batch) = &path.at.batch {
            for number in self.unanswered(path, batch.deadline).into_iter().rev() {
                if number >= batch.joined {
                    self.stack.extend(self.joined(path, number));
                }
            }
            self.stack.extend(closed(path));
            return;
        }
        let (next, deadline) = path.at.order.next(&self.calls);
        for number in self.unanswered(path, deadline).into_iter().rev() {
            self.stack.extend(self.unanswered_change(path, number, deadline));
        }
        self.stack.extend(self.batch_of(path, &next, deadline));
        let others = next.iter().filter(|number| self.upload(path, **number).is_none());
        let explained: Vec<Path> = others.filter_map(|number| self.explained(path, *number)).collect();
        self.stack.extend(explained);
    }

    /// The path with this call done on its own, if that explains its answer.
    fn explained(&self, path: &Path, number: usize) -> Option<Path> {
        let call = &self.calls[number];
        let mut backup = path.at.backup.clone();
        let answer = backup.apply(&call.operation);
        let fits = call.answered.as_ref().is_some_and(|answered| answered.answer == answer);
        fits.then(|| path.with(number, &self.calls, backup))
    }

    /// The path on which this change has happened, if that makes a difference.
    fn unanswered_change(&self, path: &Path, number: usize, deadline: u64) -> Option<Path> {
        if self.upload(path, number).is_some() {
            return self.joined(&path.opened(None, deadline), number);
        }
        let mut backup = path.at.backup.clone();
        let answer = backup.apply(&self.calls[number].operation);
        if let Answer::Created { version } = answer
            && !self.told.may_make(version, number)
        {
            return None;
        }
        (backup != path.at.backup).then(|| path.with(number, &self.calls, backup))
    }

    /// The keys of a call that is an upload to the current version.
    fn upload(&self, path: &Path, number: usize) -> Option<&Keys> {
        match &self.calls[number].operation {
            Operation::Upload { version, keys } if path.at.backup.current() == Some(*version) => Some(keys),
            _ => None,
        }
    }

    /// All uploads that were answered with the next etag, taking effect together. Nothing is lost by taking all: one that came after
    /// the others has changed nothing, and so changes nothing among them.
    fn batch_of(&self, path: &Path, next: &[usize], deadline: u64) -> Option<Path> {
        let etag = path.at.backup.versions.values().next_back()?.etag + 1;
        let told = |number: &usize| {
            self.upload(path, *number)?;
            match self.calls[*number].answered.as_ref()?.answer {
                Answer::Changed { etag: told, count } if told == etag => Some((*number, count)),
                _ => None,
            }
        };
        let members: Vec<(usize, u64)> = next.iter().filter_map(told).collect();
        let (_, count) = *members.first()?;
        let agree = members.iter().all(|member| member.1 == count);
        agree.then(|| {
            let opened = path.opened(Some(count), deadline);
            members.iter().fold(opened, |path, (number, _)| self.merged(&path, *number).0)
        })
    }

    /// An open batch with one more upload, of which nobody knows whether it happened, if that makes a difference.
    fn joined(&self, path: &Path, number: usize) -> Option<Path> {
        self.upload(path, number)?;
        let (mut path, changed) = self.merged(path, number);
        path.at.batch.as_mut()?.joined = number + 1;
        changed.then_some(path)
    }

    fn merged(&self, path: &Path, number: usize) -> (Path, bool) {
        let mut backup = path.at.backup.clone();
        let contents = backup.versions.values_mut().next_back();
        let uploaded = contents.zip(self.upload(path, number));
        let changed = uploaded.is_some_and(|(contents, keys)| contents.merge(keys));
        let mut path = path.with(number, &self.calls, backup);
        if let Some(batch) = &mut path.at.batch {
            batch.changed |= changed;
        }
        (path, changed)
    }
}

impl Path {
    fn opened(&self, count: Option<u64>, deadline: u64) -> Self {
        let mut path = self.clone();
        path.at.batch = Some(Batch { count, changed: false, deadline, joined: 0 });
        path
    }
}

/// The batch is complete: the etag is raised, and the members' answers have to be right.
fn closed(path: &Path) -> Option<Path> {
    let mut path = path.clone();
    let batch = path.at.batch.take()?;
    let contents = path.at.backup.versions.values_mut().next_back()?;
    contents.etag += 1;
    let fits = batch.changed && batch.count.is_none_or(|count| count == contents.count());
    fits.then_some(path)
}
