//! CPU time of a piece of work, summed over the moments in which a thread is busy with it.

use std::{
    future::Future,
    ops::AddAssign,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeVal,
};

/// CPU time in user mode and in the kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// In user mode.
    pub user: Duration,
    /// In the kernel.
    pub system: Duration,
}

impl AddAssign for CpuTime {
    fn add_assign(&mut self, other: Self) {
        self.user += other.user;
        self.system += other.system;
    }
}

impl CpuTime {
    /// What all threads of this process have used since it was started; zero where the system does not tell.
    pub(crate) fn of_process() -> Self {
        Self::of(UsageWho::RUSAGE_SELF)
    }

    fn of_thread() -> Self {
        Self::of(UsageWho::RUSAGE_THREAD)
    }

    fn of(who: UsageWho) -> Self {
        let duration = |time: TimeVal| {
            Duration::from_secs(time.tv_sec().unsigned_abs())
                + Duration::from_micros(time.tv_usec().unsigned_abs())
        };
        getrusage(who).map_or_else(
            |_| Self::default(),
            |usage| Self { user: duration(usage.user_time()), system: duration(usage.system_time()) },
        )
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
        }
    }
}

/// Runs `future` and adds up the CPU time of its polls.
pub async fn metered<F: Future>(future: F) -> (F::Output, CpuTime) {
    let mut used = CpuTime::default();
    let output = metered_into(future, |cpu| used += cpu).await;
    (output, used)
}

/// Does `work` on the thread that calls, and says what CPU time it took.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, CpuTime) {
    let before = CpuTime::of_thread();
    let output = work();
    (output, CpuTime::of_thread().since(before))
}

/// Runs `future` and tells of the CPU time of each of its polls.
pub(crate) async fn metered_into<F: Future>(future: F, mut tell: impl FnMut(CpuTime)) -> F::Output {
    let mut future = pin!(future);
    std::future::poll_fn(|context| poll_metered(future.as_mut(), context, &mut tell)).await
}

fn poll_metered<F: Future>(
    future: Pin<&mut F>,
    context: &mut Context<'_>,
    tell: &mut impl FnMut(CpuTime),
) -> Poll<F::Output> {
    let (poll, used) = timed(|| future.poll(context));
    tell(used);
    poll
}
