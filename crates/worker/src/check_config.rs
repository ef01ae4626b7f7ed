//! `check-config`: says what a configuration means to the worker, and opens nothing.

use std::{
    fmt::Display,
    io::{self, Write},
};

use anyhow::Context;
use key_backup_api::{LimitSettings, MasSettings};
use key_backup_cache::{RedisAddress, RedisSettings};
use key_backup_storage::{ConnectionSettings, DatabaseSettings, Host, SslMode};
use tracing::level_filters::LevelFilter;

use crate::{
    backends::Backends,
    config::{
        AuthConfig, Bind, Config, HttpListener, Listener, ListenerKind, LogFormat, LogOutput, LogSettings,
        OwnSettings,
    },
    tls::Certificates,
};

/// Writes what the worker would do with this configuration, and what it would not look at. No secret is among it.
///
/// # Errors
///
/// A certificate cannot be used, or settings don't go together: what else would end the start before anything is opened.
pub fn print(config: &Config, out: &mut impl Write) -> anyhow::Result<()> {
    // MAS's client wants a runtime around it.
    actix_web::rt::System::new().block_on(async { read_files(config) })?;
    write(config, out).context("cannot write to standard output")
}

fn write(config: &Config, out: &mut impl Write) -> io::Result<()> {
    for (key, meaning) in meanings(config) {
        writeln!(out, "{key:<29} {meaning}")?;
    }
    for warning in &config.warnings {
        writeln!(out, "\nwarning: {warning}")?;
    }
    if !config.unused_keys.is_empty() {
        writeln!(out, "\nNo use for: {}", config.unused_keys.join(", "))?;
    }
    writeln!(out, "\nThe configuration is right.")
}

fn read_files(config: &Config) -> anyhow::Result<()> {
    Backends::prepare(config)?;
    let mut certificates = Certificates::default();
    for listener in &config.listeners {
        if let ListenerKind::Http(HttpListener { tls: Some(files), .. }) = &listener.kind {
            certificates.load(files)?;
        }
    }
    Ok(())
}

/// Keys, and what the worker makes of them.
fn meanings(config: &Config) -> Vec<(&'static str, String)> {
    let mut meanings =
        vec![("server_name", config.server_name.clone()), ("worker_name", config.worker_name.clone())];
    meanings.extend(config.listeners.iter().map(|each| ("worker_listeners", listener(each))));
    meanings.push(("max_upload_size", format!("request bodies of up to {} bytes", config.max_request_body)));
    meanings.push(("database", database(&config.database)));
    meanings.push(("redis", config.redis.as_ref().map_or_else(no_redis, redis)));
    meanings.push(("matrix_authentication_service", config.mas.as_ref().map_or_else(no_mas, mas)));
    meanings.push(("app_service_config_files", appservices(&config.auth)));
    meanings.push(("account_validity", account_validity(&config.auth).to_owned()));
    meanings.push(("macaroon_secret_key", guests(&config.auth).to_owned()));
    meanings.push(("worker_log_config", log(&config.log)));
    meanings.push(("key_backup_worker", own(&config.own)));
    meanings
}

fn listener(listener: &Listener) -> String {
    let places = match &listener.bind {
        Bind::Unix { path, mode } => format!("{} (permissions {mode:04o})", path.display()),
        Bind::Tcp { port, addresses } => {
            join(addresses.iter().map(|address| std::net::SocketAddr::new(*address, *port)))
        }
    };
    let ListenerKind::Http(http) = &listener.kind else { return format!("metrics on {places}") };
    let scheme = if http.tls.is_some() { "https" } else { "http" };
    let mut serves = vec!["/health", "/ready"];
    serves.extend(http.client.then_some("the key backup"));
    serves.extend(http.metrics.then_some("/_synapse/metrics"));
    let client = if http.x_forwarded { "X-Forwarded-For" } else { "the connection" };
    format!("{scheme} on {places}: {}; clients' addresses come from {client}", serves.join(", "))
}

fn database(settings: &DatabaseSettings) -> String {
    let connection = &settings.connection;
    let limit = |name: &str, limit: Option<std::time::Duration>| match limit {
        Some(limit) if limit.is_zero() => format!("no {name}"),
        Some(limit) => format!("{name} {limit:?}"),
        None => format!("the server's {name}"),
    };
    format!(
        "{}, at most {} connections, {}; {}, {}{}",
        place(connection),
        settings.max_connections,
        tls(connection),
        limit("statement_timeout", settings.statement_timeout),
        limit("idle_in_transaction_session_timeout", settings.idle_in_transaction_session_timeout),
        if settings.synchronous_commit { "" } else { "; synchronous_commit is off" },
    )
}

/// Where and as whom a session is opened.
pub(crate) fn place(connection: &ConnectionSettings) -> String {
    let host = |host: &Host| match host {
        Host::Tcp { name, address: None, port } => format!("{name} port {port}"),
        Host::Tcp { name, address: Some(address), port } => format!("{name} ({address}) port {port}"),
        Host::Unix { directory, port } => format!("{} port {port}", directory.display()),
    };
    let hosts = join(connection.hosts.iter().map(host));
    format!("{} as {} on {hosts}", connection.dbname, connection.user)
}

fn tls(connection: &ConnectionSettings) -> &'static str {
    if connection.hosts.iter().all(|host| matches!(host, Host::Unix { .. })) {
        return "no TLS on a Unix socket";
    }
    match connection.tls.mode {
        SslMode::Disable => "no TLS",
        SslMode::Prefer => "TLS if the server offers it, unverified",
        SslMode::Require => "TLS, verified only if there are root certificates",
        SslMode::VerifyCa => "TLS, its chain verified",
        SslMode::VerifyFull => "TLS, its chain and the host's name verified",
    }
}

fn no_redis() -> String {
    "not enabled: every request asks PostgreSQL, and Synapse is not told who was seen".to_owned()
}

fn redis(settings: &RedisSettings) -> String {
    let database = settings.dbid.map_or_else(String::new, |dbid| format!(", database {dbid}"));
    let login = match (&settings.username, &settings.password) {
        (Some(username), _) => format!(" as {username}"),
        (None, Some(_)) => " with a password".to_owned(),
        (None, None) => String::new(),
    };
    format!("{}{login}{database}", redis_place(&settings.address))
}

/// Where Redis is.
pub(crate) fn redis_place(address: &RedisAddress) -> String {
    match address {
        RedisAddress::Unix(path) => path.display().to_string(),
        RedisAddress::Tcp { host, port, tls: None } => format!("{host} port {port}"),
        RedisAddress::Tcp { host, port, tls: Some(tls) } => {
            let verified = tls.ca_file.is_some() || tls.ca_path.is_some();
            format!("{host} port {port} over TLS, {}", if verified { "verified" } else { "unverified" })
        }
    }
}

fn no_mas() -> String {
    "not enabled: access tokens stand in Synapse's tables".to_owned()
}

fn mas(settings: &MasSettings) -> String {
    let http2 = if settings.force_http2 { " over HTTP/2" } else { "" };
    format!("access tokens are asked of {}{http2}", settings.endpoint)
}

fn appservices(auth: &AuthConfig) -> String {
    match auth.appservice_files.as_slice() {
        [] => "none".to_owned(),
        files => join(files.iter().map(|file| file.display())),
    }
}

fn account_validity(auth: &AuthConfig) -> &'static str {
    if auth.account_validity { "expired accounts are refused" } else { "accounts don't expire" }
}

fn guests(auth: &AuthConfig) -> &'static str {
    match auth.macaroon_secret {
        Some(_) => "guests are told that they are guests",
        None => "there is none, nor another secret for it: guests look like strangers",
    }
}

fn log(log: &LogSettings) -> String {
    let form = match log.format {
        LogFormat::Text => "text",
        LogFormat::Json => "JSON",
    };
    let place = match &log.output {
        LogOutput::Stderr => "standard error".to_owned(),
        LogOutput::Stdout => "standard output".to_owned(),
        LogOutput::File(file) => file.display().to_string(),
    };
    let loggers = match log.loggers.len() {
        0 => String::new(),
        _ => format!(
            "; {}",
            join(log.loggers.iter().map(|(name, each)| format!("{name} from {}", level(*each))))
        ),
    };
    format!("{form} to {place}, from {}{loggers}", level(log.level))
}

/// In Python's spelling.
fn level(level: LevelFilter) -> String {
    level.to_string().to_uppercase()
}

fn own(own: &OwnSettings) -> String {
    let OwnSettings { threads, shutdown_grace, cors_max_age, counts_lifetime, max_connections, otlp, limits } =
        own;
    let traces = otlp.as_ref().map_or_else(String::new, |otlp| {
        format!(", otlp {} with sampling_ratio {}", otlp.endpoint, otlp.sampling_ratio)
    });
    format!(
        "threads {threads}, shutdown_grace {shutdown_grace:?}, cors_max_age {cors_max_age:?}, counts_lifetime {counts_lifetime:?}, max_connections {max_connections}, {}{traces}",
        bounds(limits)
    )
}

fn bounds(limits: &LimitSettings) -> String {
    let rate = match limits.rate_limit {
        Some(rate) => format!("{} a second, burst {}", rate.per_second, rate.burst_count),
        None => "none".to_owned(),
    };
    format!(
        "max_requests_in_flight {}, max_queue_time {:?}, max_body_memory {}, max_restores {}, max_restore_memory {}, max_restores_per_user {}, max_large_uploads_per_user {}, rate_limit {rate}, slow_client_timeout {:?}, min_transfer_rate {}",
        limits.max_requests_in_flight,
        limits.max_queue_time,
        limits.max_body_memory,
        limits.max_restores,
        limits.max_restore_memory,
        limits.max_restores_per_user,
        limits.max_large_uploads_per_user,
        limits.slow_client_timeout,
        limits.min_transfer_rate
    )
}

fn join(items: impl Iterator<Item = impl Display>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}
