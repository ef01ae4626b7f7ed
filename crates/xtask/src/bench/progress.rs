//! How far a run is, for whoever waits for it.

use std::{
    io::{IsTerminal, Write, stdout},
    time::{Duration, Instant},
};

/// Counts the works of a run. On a terminal one line is written anew; elsewhere each work gets a line.
pub(super) struct Progress {
    started: Instant,
    /// Estimates of all works, in order.
    estimates: Vec<Duration>,
    done: usize,
    is_terminal: bool,
}

impl Progress {
    pub(super) fn new(estimates: Vec<Duration>) -> Self {
        Self { started: Instant::now(), estimates, done: 0, is_terminal: stdout().is_terminal() }
    }

    /// Says what is done at the moment.
    pub(super) fn note(&mut self, name: &str, what: &str) {
        if self.is_terminal {
            print!("\r\x1b[K{} {name}: {what}", self.position());
            let _ = stdout().flush();
        }
    }

    /// Says what came of a work, and counts it.
    pub(super) fn done(&mut self, line: &str) {
        let clear = if self.is_terminal { "\r\x1b[K" } else { "" };
        self.done += 1;
        println!("{clear}{} {line}", self.position());
    }

    fn position(&self) -> String {
        let gone = self.started.elapsed();
        let position = format!("[{} of {}, {}", self.done, self.estimates.len(), clock(gone));
        match left(&self.estimates, self.done, gone) {
            Some(left) => format!("{position} gone, about {} left]", clock(left)),
            None => format!("{position} gone]"),
        }
    }
}

/// The rest of the estimates, corrected by how long what is done took; `None` while nothing is done.
fn left(estimates: &[Duration], done: usize, gone: Duration) -> Option<Duration> {
    let (before, after) = estimates.split_at_checked(done)?;
    let (before, after): (Duration, Duration) = (before.iter().sum(), after.iter().sum());
    (before > Duration::ZERO).then(|| after.mul_f64(gone.as_secs_f64() / before.as_secs_f64()))
}

fn clock(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_estimated_by_the_pace_so_far() {
        let estimates: Vec<_> = [10, 10, 40].into_iter().map(Duration::from_secs).collect();
        assert_eq!(left(&estimates, 0, Duration::from_secs(3)), None);
        assert_eq!(left(&estimates, 2, Duration::from_secs(40)), Some(Duration::from_secs(80)));
        assert_eq!(clock(Duration::from_secs(605)), "10:05");
    }
}
