//! Synapse's top-level keys that are no sections.

use super::{
    ConfigError,
    files::Files,
    node::{Node, or},
};

/// Synapse's limit for a request body that holds events: 200 of at most 65536 bytes.
const MAX_EVENTS_BODY: u64 = 200 * 65536;
const MAX_UPLOAD_SIZE: u64 = 50 << 20;

/// `server_name`. `report_stats` must stand beside it, because Synapse does not start without.
pub(super) fn server_name(files: &Files) -> Result<String, ConfigError> {
    let name =
        files.get("server_name").ok_or_else(|| files.missing("server_name", "the name of the homeserver"))?;
    if name.text()?.is_empty() {
        return Err(name.expected("the name of the homeserver"));
    }
    if !files.contains("report_stats") {
        return Err(files.missing("report_stats", "true or false, as Synapse demands"));
    }
    Ok(name.text()?.to_owned())
}

/// `worker_name`, or else `worker_app`.
pub(super) fn worker_name(files: &Files) -> Result<String, ConfigError> {
    if let Some(app) = files.get("worker_app")
        && app.text()? == "synapse.app.homeserver"
    {
        return Err(app.expected("synapse.app.generic_worker: these are the main process's files"));
    }
    let name = files.get("worker_name").or_else(|| files.get("worker_app"));
    name.ok_or_else(|| files.missing("worker_name", "a name that no other worker has"))?.scalar()
}

/// What is left of old ways to reach the main process ends Synapse's start, and ours.
pub(super) fn refuse_what_synapse_refuses(files: &Files) -> Result<(), ConfigError> {
    const HTTP_REPLICATION: [&str; 3] =
        ["worker_replication_host", "worker_replication_http_port", "worker_replication_http_tls"];
    for key in HTTP_REPLICATION {
        if let Some(node) = files.get(key).filter(Node::is_truthy) {
            return Err(
                node.error("Synapse no longer accepts this key: the main process stands in `instance_map`")
            );
        }
    }
    match files.get("worker_replication_port") {
        Some(node) => Err(node.error("TCP replication is gone from Synapse: remove this key and use Redis")),
        None => Ok(()),
    }
}

/// Tells of keys that a Synapse worker acts on, and this one does not.
pub(super) fn warn_of_what_is_ignored(files: &Files, warnings: &mut Vec<String>) -> Result<(), ConfigError> {
    for (key, reason) in [
        ("worker_main_http_uri", "it has had no effect since Synapse 1.73"),
        ("worker_daemonize", "the worker stays in the foreground"),
        ("worker_pid_file", "the worker stays in the foreground and writes no pid file"),
        ("worker_manhole", "a manhole needs Synapse's Python"),
    ] {
        if let Some(node) = files.get(key).filter(Node::is_truthy) {
            warnings.push(format!("{} is ignored: {reason}", node.place()));
        }
    }
    let Some(modules) = files.get("modules").filter(Node::is_truthy) else { return Ok(()) };
    let mut names = Vec::new();
    for module in modules.items()? {
        names.push(module.section()?.require("module", "a Python class")?.text()?);
    }
    warnings.push(format!(
        "{}: modules are Python and do not run here, so one that refuses users does not refuse them here: {}",
        modules.place(),
        names.join(", ")
    ));
    Ok(())
}

/// The longest request body in bytes.
pub(super) fn max_request_body(files: &Files) -> Result<usize, ConfigError> {
    let has_media = or(files.get("enable_media_repo"), Node::bool, true)?;
    let upload = or(files.get("max_upload_size"), Node::size, MAX_UPLOAD_SIZE)?;
    let limit = if has_media { MAX_EVENTS_BODY.max(upload) } else { MAX_EVENTS_BODY };
    Ok(usize::try_from(limit).unwrap_or(usize::MAX))
}
