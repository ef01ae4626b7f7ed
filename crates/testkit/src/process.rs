//! One child process, which never outlives the process that started it.

use std::{
    fs::{self, OpenOptions},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

/// How long a process may take to end after the signal that asks it to; then it is killed.
const GRACE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);

/// A running program. Dropping it sends its stop signal, waits for its end, and kills it where that takes too long.
///
/// It leads a process group of its own, so that Ctrl-C in a terminal reaches only us, and we stop it in good order. Where
/// we are killed ourselves, the kernel sends it its stop signal (`PR_SET_PDEATHSIG`). The kernel does so when the *thread*
/// that started it ends: start long-lived services from a thread that lives as long as they shall.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    stop_signal: Signal,
}

/// What to start, and how.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    /// What messages call it.
    pub(crate) name: &'a str,
    /// Path, or name to look up in `PATH`.
    pub(crate) path: &'a Path,
    /// The user to run it as; `None` keeps ours.
    pub(crate) user: Option<&'a str>,
    /// The file that gets its stdout and stderr, appended.
    pub(crate) log: PathBuf,
    /// The signal that ends it at once but cleanly.
    pub(crate) stop_signal: Signal,
}

impl Program<'_> {
    /// The command that becomes this program: `setpriv` sets the parent death signal, for which Rust's standard library
    /// has no safe call, and changes the user. The caller adds the program's arguments.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("setpriv");
        command.arg("--pdeathsig").arg(self.stop_signal.as_str().trim_start_matches("SIG"));
        if let Some(user) = self.user {
            command.args(["--reuid", user, "--regid", user, "--init-groups"]);
        }
        command.arg("--").arg(self.path);
        command
    }

    /// Starts `command`, made by [`Program::command`].
    pub(crate) fn spawn(self, mut command: Command) -> Result<Process> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("cannot write {}", self.log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| {
                format!("cannot start {} through setpriv (Debian package util-linux)", self.name)
            })?;
        Ok(Process { name: self.name.to_owned(), child, log: self.log, stop_signal: self.stop_signal })
    }
}

impl Process {
    /// The process id.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// All that it has written to stdout and stderr so far.
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The file that [`Process::log`] reads.
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// When it has ended already.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(self.pid(), signal).with_context(|| format!("cannot send {signal} to {}", self.name))
    }

    /// Sends a signal to the processes that it has started itself; one that has just ended is left out.
    ///
    /// # Errors
    ///
    /// When the kernel does not name them, as after its end.
    pub fn signal_children(&self, signal: Signal) -> Result<()> {
        let pid = self.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
            .with_context(|| format!("cannot find the children of {}", self.name))?;
        for child in children.split_whitespace() {
            let _ = kill(Pid::from_raw(child.parse()?), signal);
        }
        Ok(())
    }

    /// How it ended; `None` while it runs.
    ///
    /// # Errors
    ///
    /// When the kernel cannot tell.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// When it still runs after `limit`.
    pub async fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            if start.elapsed() > limit {
                bail!("{} still runs after {limit:?}; its log ends with:\n{}", self.name, self.log_tail());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until `ready` says true, asking again every few milliseconds.
    ///
    /// # Errors
    ///
    /// With the end of its log, when it ends before, or is not ready after `limit`.
    pub async fn wait_until(&mut self, limit: Duration, mut ready: impl AsyncFnMut() -> bool) -> Result<()> {
        let start = Instant::now();
        while !ready().await {
            if let Some(status) = self.try_wait()? {
                bail!("{} ended at its start ({status}); its log ends with:\n{}", self.name, self.log_tail());
            }
            if start.elapsed() > limit {
                bail!("{} is not ready after {limit:?}; its log ends with:\n{}", self.name, self.log_tail());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    fn ends_within(&mut self, limit: Duration) -> bool {
        let start = Instant::now();
        while start.elapsed() < limit {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            thread::sleep(POLL);
        }
        false
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // A stopped process would only hear of the other signal once it goes on.
        let _ = self.signal(self.stop_signal);
        let _ = self.signal(Signal::SIGCONT);
        if !self.ends_within(GRACE) {
            let _ = killpg(self.pid(), Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}
