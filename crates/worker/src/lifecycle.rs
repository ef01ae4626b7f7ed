//! From ready to stopped: signals, and what the service manager is told.

use std::{path::PathBuf, process, sync::Arc, time::Duration};

use actix_web::dev::{Server, ServerHandle};
use anyhow::Context;
use key_backup_api::Instance;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{config::appservices, schema::Check, telemetry::LogHandle, tls::Certificates};

/// How long an idle connection is kept: longer than nginx keeps its own (60 s), so that nginx never sends a request into a
/// connection that is just being closed.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long requests in flight may take to finish.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grace(pub(crate) Duration);

impl Grace {
    /// In whole seconds, rounded up: the server counts in them.
    pub(crate) fn seconds(self) -> u64 {
        self.0.as_secs() + u64::from(self.0.subsec_nanos() > 0)
    }
}

/// What is read anew on SIGHUP, besides the log file.
pub(crate) struct Reload {
    pub(crate) certificates: Certificates,
    pub(crate) instance: Arc<Instance>,
    pub(crate) appservice_files: Vec<PathBuf>,
    pub(crate) server_name: String,
}

/// Runs the server until SIGTERM or SIGINT, or until the check finds the wrong database.
///
/// A first signal stops accepting and lets requests finish; a second one ends them. SIGHUP reads certificates and
/// application services anew and reopens the log file.
pub(crate) async fn run(
    server: Server,
    files: Reload,
    grace: Grace,
    schema: Check,
    log: LogHandle,
) -> anyhow::Result<()> {
    let mut signals = Signals::new().context("cannot listen for signals")?;
    let handle = server.handle();
    let mut server = actix_web::rt::spawn(server);
    notify(&[NotifyState::Ready, NotifyState::MainPid(process::id())]);
    tracing::info!("ready");
    let instance = Arc::clone(&files.instance);
    actix_web::rt::spawn(async move { instance.databases.follow_outages().await });
    let mismatch = schema.until_mismatch(|| files.instance.readiness.schema_is_right());
    let ended = tokio::select! {
        () = signals.until_stop(|| reload(&files, &log)) => Ok(()),
        error = mismatch => Err(error),
        ended = &mut server => return ended.context("the server panicked")?.context("the server failed"),
    };
    files.instance.readiness.stop();
    notify(&[NotifyState::Stopping]);
    tracing::info!("stopping: requests in flight have {} s to finish", grace.seconds());
    if requests_finished(&handle, &mut signals).await {
        server.await.context("the server panicked")?.context("the server failed")?;
        tracing::info!("stopped");
    }
    ended
}

/// Lets requests finish; `false` if a second signal says that there is no time. Then nothing is left to do: the server would
/// hear of a stop without grace only after the one with grace is over, while the process takes its threads with it.
async fn requests_finished(handle: &ServerHandle, signals: &mut Signals) -> bool {
    tokio::select! {
        () = handle.stop(true) => true,
        () = signals.until_stop(|| {}) => {
            tracing::warn!("stopping at once, on a second signal");
            false
        }
    }
}

fn reload(files: &Reload, log: &LogHandle) {
    notify(&[
        NotifyState::Reloading,
        NotifyState::monotonic_usec_now().unwrap_or(NotifyState::Status("reloading")),
    ]);
    log.reopen();
    files.certificates.reload();
    match appservices::read(&files.appservice_files, &files.server_name) {
        Ok(services) => files.instance.auth.set_appservices(services),
        Err(error) => tracing::error!("keeping the application services as they are: {error}"),
    }
    tracing::info!("reloaded certificates and application services, and reopened the log");
    notify(&[NotifyState::Ready]);
}

/// Tells systemd, where it asked to be told.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("cannot notify the service manager: {error}");
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for SIGTERM or SIGINT, and calls `reload` on each SIGHUP meanwhile.
    async fn until_stop(&mut self, reload: impl Fn()) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => reload(),
            }
        }
    }
}
