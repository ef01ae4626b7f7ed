//! systemd's watchdog (`WatchdogSec=`): it hears of us only while every event loop turns.

use std::{convert::Infallible, future, sync::Arc, time::Duration};

use sd_notify::NotifyState;
use tokio::{
    sync::Barrier,
    time::{MissedTickBehavior, interval},
};

use crate::lifecycle::notify;

/// Meets all event loops twice in the time that systemd waits for a sign of life, and gives it one after each meeting. A loop
/// that is stuck does not come, so there is no sign, and systemd restarts the worker.
#[derive(Debug, Clone)]
pub(crate) struct Watchdog {
    period: Duration,
    meeting: Arc<Barrier>,
}

impl Watchdog {
    /// A watchdog over the event loops of so many threads. `None` if systemd asks for no watchdog, by `WATCHDOG_USEC` and
    /// `WATCHDOG_PID`.
    pub(crate) fn of_environment(threads: usize) -> Option<Self> {
        Some(Self::new(sd_notify::watchdog_enabled()?, threads))
    }

    fn new(patience: Duration, threads: usize) -> Self {
        // One more: whoever calls the meetings.
        Self { period: patience / 2, meeting: Arc::new(Barrier::new(threads + 1)) }
    }

    /// Lets the event loop of this thread take part in the meetings, once for each thread.
    pub(crate) fn watch_this_loop(&self) {
        let meeting = Arc::clone(&self.meeting);
        actix_web::rt::spawn(async move {
            loop {
                meeting.wait().await;
            }
        });
    }

    async fn meet(self, mut met: impl FnMut()) -> Infallible {
        let mut times = interval(self.period);
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            times.tick().await;
            self.meeting.wait().await;
            met();
        }
    }
}

/// Keeps systemd's watchdog quiet, if there is one, for as long as it is polled.
pub(crate) async fn run(watchdog: Option<Watchdog>) -> Infallible {
    match watchdog {
        Some(watchdog) => watchdog.meet(|| notify(&[NotifyState::Watchdog])).await,
        None => future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            atomic::{AtomicUsize, Ordering},
            mpsc,
        },
        thread,
    };

    use actix_web::rt::{Runtime, System};
    use tokio::{
        sync::mpsc::{UnboundedSender, unbounded_channel},
        time::{sleep, timeout},
    };

    use super::*;

    const PERIOD: Duration = Duration::from_millis(2);

    /// A thread whose loop is watched. It gets stuck in each work that it is given; without a giver it ends.
    fn watched_loop(watchdog: Watchdog) -> UnboundedSender<Box<dyn FnOnce() + Send>> {
        let (give, mut work) = unbounded_channel::<Box<dyn FnOnce() + Send>>();
        thread::spawn(move || {
            Runtime::new().unwrap().block_on(async {
                watchdog.watch_this_loop();
                while let Some(work) = work.recv().await {
                    work();
                }
            });
        });
        give
    }

    async fn until_more_than(count: usize, signs: &AtomicUsize) {
        let more = async {
            while signs.load(Ordering::Relaxed) <= count {
                sleep(PERIOD).await;
            }
        };
        timeout(Duration::from_secs(10), more).await.expect("further signs of life");
    }

    #[test]
    fn there_is_no_sign_of_life_while_one_of_the_loops_is_stuck() {
        System::new().block_on(async {
            let watchdog = Watchdog::new(2 * PERIOD, 2);
            let loops = [watched_loop(watchdog.clone()), watched_loop(watchdog.clone())];
            let signs = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&signs);
            actix_web::rt::spawn(watchdog.meet(move || {
                counted.fetch_add(1, Ordering::Relaxed);
            }));
            until_more_than(2, &signs).await;

            let (is_stuck, stuck) = mpsc::channel();
            let (release, released) = mpsc::channel::<()>();
            let work = move || {
                is_stuck.send(()).unwrap();
                released.recv().unwrap();
            };
            assert!(loops[0].send(Box::new(work)).is_ok());
            stuck.recv().unwrap();
            let before = signs.load(Ordering::Relaxed);
            // This loop and the other one go on turning meanwhile.
            sleep(PERIOD * 20).await;
            let meanwhile = signs.load(Ordering::Relaxed);
            // It may have been on its way to one meeting when it got stuck.
            assert!(meanwhile <= before + 1, "{} signs", meanwhile - before);

            release.send(()).unwrap();
            until_more_than(meanwhile + 1, &signs).await;
        });
    }
}
