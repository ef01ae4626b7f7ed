//! Clients that send or take so slowly that they only keep memory and connections busy.

use std::time::{Duration, Instant};

/// The least that has to move in each stretch of time. A line that is slow or pauses for a moment keeps it up; one that is dead does not.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    stretch: Duration,
    least: usize,
    began: Instant,
    moved: usize,
}

impl Pace {
    /// Begins the first stretch. A rate of zero asks for nothing but any progress at all.
    pub fn new(stretch: Duration, bytes_per_second: u64) -> Self {
        let least = u128::from(bytes_per_second) * stretch.as_millis() / 1000;
        Self {
            stretch,
            least: usize::try_from(least).unwrap_or(usize::MAX).max(1),
            began: Instant::now(),
            moved: 0,
        }
    }

    /// When the present stretch ends.
    pub fn deadline(&self) -> Instant {
        self.began + self.stretch
    }

    /// Notes what has moved.
    pub fn moved(&mut self, bytes: usize) {
        self.moved += bytes;
    }

    /// Whether the client is quick enough. Begins the next stretch where the present one has ended.
    pub fn is_kept(&mut self) -> bool {
        if self.began.elapsed() < self.stretch {
            return true;
        }
        let kept = self.moved >= self.least;
        (self.began, self.moved) = (Instant::now(), 0);
        kept
    }
}
