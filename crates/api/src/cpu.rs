//! CPU time of one request, summed over the moments in which a thread works on it.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{error::BlockingError, web};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeVal,
};

/// CPU time in user mode and in the kernel.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CpuTime {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
}

impl CpuTime {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self { user: self.user + other.user, system: self.system + other.system }
    }

    /// What this thread has used since it was started; zero where the system does not tell.
    fn of_thread() -> Self {
        let duration = |time: TimeVal| {
            Duration::from_secs(time.tv_sec().unsigned_abs())
                + Duration::from_micros(time.tv_usec().unsigned_abs())
        };
        getrusage(UsageWho::RUSAGE_THREAD).map_or_else(
            |_| Self::default(),
            |usage| Self { user: duration(usage.user_time()), system: duration(usage.system_time()) },
        )
    }

    fn since(self, before: Self) -> Self {
        Self {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
        }
    }
}

/// Runs `future` and adds up the CPU time of its polls.
pub(crate) async fn metered<F: Future>(future: F) -> (F::Output, CpuTime) {
    let mut future = pin!(future);
    let mut used = CpuTime::default();
    let output = std::future::poll_fn(|context| poll_metered(future.as_mut(), context, &mut used)).await;
    (output, used)
}

/// Runs `work` on a thread for work that takes its time, and says how much CPU time it took.
///
/// # Errors
///
/// The runtime ends.
pub(crate) async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<(T, CpuTime), BlockingError> {
    web::block(move || {
        let before = CpuTime::of_thread();
        let output = work();
        (output, CpuTime::of_thread().since(before))
    })
    .await
}

fn poll_metered<F: Future>(
    future: Pin<&mut F>,
    context: &mut Context<'_>,
    used: &mut CpuTime,
) -> Poll<F::Output> {
    let before = CpuTime::of_thread();
    let poll = future.poll(context);
    *used = used.plus(CpuTime::of_thread().since(before));
    poll
}
