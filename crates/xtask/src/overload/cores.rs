//! A core for the servers and another one for the load.

use anyhow::{Context, Result, bail};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

/// The calling thread.
const THIS: Pid = Pid::from_raw(0);

/// The two cores.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cores {
    servers: usize,
    load: usize,
}

impl Cores {
    /// The first two that we may run on.
    ///
    /// # Errors
    ///
    /// When there is only one.
    pub(super) fn choose() -> Result<Self> {
        let allowed = sched_getaffinity(THIS).context("cannot see which cores there are")?;
        let mut cores = (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false));
        match (cores.next(), cores.next()) {
            (Some(servers), Some(load)) => Ok(Self { servers, load }),
            _ => bail!("the servers and the load need a core each"),
        }
    }

    /// Programs that this thread starts from now on run on the servers' core.
    pub(super) fn start_servers(self) -> Result<()> {
        keep_to(self.servers)
    }

    /// This thread runs on the load's core from now on.
    pub(super) fn load(self) -> Result<()> {
        keep_to(self.load)
    }
}

fn keep_to(core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core)?;
    sched_setaffinity(THIS, &cores).context("cannot keep to a core")
}
