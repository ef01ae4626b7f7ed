//! From ready to stopped: signals, and what the service manager is told.

use std::{path::PathBuf, process, sync::Arc, time::Duration};

use actix_web::dev::ServerHandle;
use anyhow::Context;
use key_backup_api::Instance;
use sd_notify::NotifyState;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};

use crate::{
    config::appservices,
    schema::Check,
    serve::{Serving, Stopping},
    telemetry::LogHandle,
    tls::Certificates,
    watchdog::{self, Watchdog},
};

/// How long idle connections stay open once the worker stops: whoever is about to use one gets an answer that closes it in good order.
const LAST_REQUESTS: Duration = Duration::from_millis(500);

/// How often to look whether all connections are gone.
const LOOK: Duration = Duration::from_millis(20);

/// How long requests in flight may take to finish.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grace(pub(crate) Duration);

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
    serving: Serving,
    files: Reload,
    grace: Grace,
    schema: Check,
    watchdog: Option<Watchdog>,
    log: LogHandle,
) -> anyhow::Result<()> {
    let mut signals = Signals::new().context("cannot listen for signals")?;
    let Serving { server, stopping } = serving;
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
        never = watchdog::run(watchdog) => match never {},
        ended = &mut server => return ended.context("the server panicked")?.context("the server failed"),
    };
    files.instance.readiness.stop();
    notify(&[NotifyState::Stopping]);
    tracing::info!("stopping: requests in flight have {:?} to finish", grace.0);
    if requests_finished(&handle, &stopping, &files.instance, grace, &mut signals).await {
        server.await.context("the server panicked")?.context("the server failed")?;
        tracing::info!("stopped");
    }
    ended
}

/// Lets requests finish; `false` if a second signal says that there is no time.
async fn requests_finished(
    handle: &ServerHandle,
    stopping: &Stopping,
    instance: &Instance,
    grace: Grace,
    signals: &mut Signals,
) -> bool {
    let finish = async {
        stopping.stop_listening(handle).await;
        let _ = timeout(LAST_REQUESTS.min(grace.0), all_gone(instance)).await;
        stopping.close_connections();
        let in_time = timeout(grace.0.saturating_sub(LAST_REQUESTS), all_gone(instance)).await.is_ok();
        handle.stop(in_time).await;
    };
    tokio::select! {
        () = finish => true,
        () = signals.until_stop(|| {}) => {
            tracing::warn!("stopping at once, on a second signal");
            false
        }
    }
}

/// Waits until no client is connected any more.
async fn all_gone(instance: &Instance) {
    while instance.metrics.limits.connections() > 0 {
        tokio::time::sleep(LOOK).await;
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
pub(crate) fn notify(states: &[NotifyState<'_>]) {
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
