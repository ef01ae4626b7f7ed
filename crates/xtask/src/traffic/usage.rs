//! What processes use: CPU time and memory, from `/proc`.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};

/// Clock ticks in a second, as Linux shows them to programs on all its platforms that matter here.
const TICKS: u64 = 100;

/// The processes of one server, by the id of the first of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Server {
    pid: i32,
    with_children: bool,
}

impl Server {
    /// A server that is one process.
    pub(crate) fn process(pid: i32) -> Self {
        Self { pid, with_children: false }
    }

    /// PostgreSQL: the postmaster and the processes that it has started.
    pub(crate) fn postgres(pid: i32) -> Self {
        Self { pid, with_children: true }
    }

    /// CPU time since the start, that of children that have ended included.
    pub(crate) fn cpu(self) -> Result<Duration> {
        let mut ticks = stat(self.pid)?.ticks;
        if self.with_children {
            for pid in pids()? {
                // One that has just ended is part of its parent's time.
                if let Ok(stat) = stat(pid)
                    && stat.parent == self.pid
                {
                    ticks += stat.ticks;
                }
            }
        }
        Ok(Duration::from_millis(ticks * 1000 / TICKS))
    }

    /// Resident memory in bytes.
    pub(crate) fn memory(self) -> Result<u64> {
        status(self.pid, "VmRSS:")
    }

    /// The most resident memory since [`Self::forget_peak`], in bytes.
    pub(crate) fn peak(self) -> Result<u64> {
        status(self.pid, "VmHWM:")
    }

    /// Begins to measure the peak anew.
    pub(crate) fn forget_peak(self) -> Result<()> {
        fs::write(format!("/proc/{}/clear_refs", self.pid), "5").context("cannot reset the peak of memory")
    }
}

struct Stat {
    parent: i32,
    ticks: u64,
}

fn stat(pid: i32) -> Result<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of the program, in parentheses, may hold anything.
    let (_, rest) = text.rsplit_once(')').context("no /proc/PID/stat")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number =
        |at: usize| -> Result<u64> { Ok(fields.get(at).context("a short /proc/PID/stat")?.parse()?) };
    let ticks = (11..=14).map(number).sum::<Result<u64>>()?;
    Ok(Stat { parent: i32::try_from(number(1)?)?, ticks })
}

fn pids() -> Result<Vec<i32>> {
    let mut pids = Vec::new();
    for entry in fs::read_dir(Path::new("/proc"))? {
        pids.extend(entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    Ok(pids)
}

fn status(pid: i32, field: &str) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)).context("a short /proc/PID/status")?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes * 1024)
}
