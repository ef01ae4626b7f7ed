//! From plain settings to the driver's, and single connections.

use std::net::IpAddr;

use tokio_postgres::{
    Client, Config,
    config::{self as driver, LoadBalanceHosts, SslNegotiation},
};

use crate::{
    pool::PATIENCE,
    settings::{ChannelBinding, ConnectionSettings, Host, Keepalives, SslMode, TargetSessionAttrs},
    tls::{self, TlsError},
};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// TLS cannot be had as it is configured.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The driver looks up all hosts, or none.
    #[error("`hostaddr` must have an address for every host or for none of them")]
    MissingAddress,
    /// libpq leaves TLS out on Unix sockets; the driver asks for it everywhere or nowhere.
    #[error("an `sslmode` of require or more cannot be had with socket directories beside other hosts")]
    TlsOnUnixSocket,
    /// The server cannot be reached, or refuses.
    #[error("cannot connect to the database")]
    Postgres(#[from] tokio_postgres::Error),
}

/// Opens one connection outside any pool, and runs it until its client is dropped.
///
/// # Errors
///
/// Settings that cannot be honoured, TLS files that are wrong, and whatever keeps the server from answering.
pub async fn connect(settings: &ConnectionSettings) -> Result<Client, ConnectError> {
    let (client, connection) = config(settings)?.connect(tls::connector(&settings.tls)?).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::warn!(%error, "a database connection broke");
        }
    });
    Ok(client)
}

/// The driver's form of the settings, all but the TLS side of it, which `tls::connector` makes.
///
/// # Errors
///
/// Combinations of hosts that libpq can handle and the driver cannot.
pub(crate) fn config(settings: &ConnectionSettings) -> Result<Config, ConnectError> {
    let mut config = Config::new();
    config
        .user(&settings.user)
        .dbname(&settings.dbname)
        .application_name(&settings.application_name)
        .ssl_mode(ssl_mode(settings)?)
        .channel_binding(channel_binding(settings.channel_binding))
        .target_session_attrs(target_session_attrs(settings.target_session_attrs))
        .keepalives(settings.keepalives.is_some());
    if settings.tls.direct {
        config.ssl_negotiation(SslNegotiation::Direct);
    }
    if settings.load_balance_hosts {
        config.load_balance_hosts(LoadBalanceHosts::Random);
    }
    if let Some(password) = &settings.password {
        config.password(secrecy::ExposeSecret::expose_secret(password));
    }
    if let Some(options) = &settings.options {
        config.options(options);
    }
    // A host whose packets vanish must leave the others a chance.
    let hosts = u32::try_from(settings.hosts.len()).unwrap_or(u32::MAX);
    config.connect_timeout(settings.connect_timeout.unwrap_or(PATIENCE / hosts.max(1)));
    if let Some(timeout) = settings.tcp_user_timeout {
        config.tcp_user_timeout(timeout);
    }
    add_keepalives(&mut config, settings.keepalives.as_ref());
    add_hosts(&mut config, &settings.hosts)?;
    Ok(config)
}

fn add_keepalives(config: &mut Config, keepalives: Option<&Keepalives>) {
    let Some(keepalives) = keepalives else { return };
    if let Some(idle) = keepalives.idle {
        config.keepalives_idle(idle);
    }
    if let Some(interval) = keepalives.interval {
        config.keepalives_interval(interval);
    }
    if let Some(count) = keepalives.count {
        config.keepalives_retries(count);
    }
}

fn add_hosts(config: &mut Config, hosts: &[Host]) -> Result<(), ConnectError> {
    let has_addresses = hosts.iter().any(|host| matches!(host, Host::Tcp { address: Some(_), .. }));
    for host in hosts {
        match host {
            Host::Tcp { name, address, port } => {
                config.host(name).port(*port);
                if has_addresses {
                    let address = address.or_else(|| name.parse::<IpAddr>().ok());
                    config.hostaddr(address.ok_or(ConnectError::MissingAddress)?);
                }
            }
            Host::Unix { .. } if has_addresses => return Err(ConnectError::MissingAddress),
            Host::Unix { directory, port } => {
                config.host_path(directory).port(*port);
            }
        }
    }
    Ok(())
}

/// There is no TLS on Unix sockets, whatever the mode says, as in libpq.
fn ssl_mode(settings: &ConnectionSettings) -> Result<driver::SslMode, ConnectError> {
    let is_unix = |host: &Host| matches!(host, Host::Unix { .. });
    if settings.hosts.iter().all(is_unix) {
        return Ok(driver::SslMode::Disable);
    }
    match settings.tls.mode {
        SslMode::Disable => Ok(driver::SslMode::Disable),
        SslMode::Prefer => Ok(driver::SslMode::Prefer),
        _ if settings.hosts.iter().any(is_unix) => Err(ConnectError::TlsOnUnixSocket),
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => Ok(driver::SslMode::Require),
    }
}

fn channel_binding(setting: ChannelBinding) -> driver::ChannelBinding {
    match setting {
        ChannelBinding::Disable => driver::ChannelBinding::Disable,
        ChannelBinding::Prefer => driver::ChannelBinding::Prefer,
        ChannelBinding::Require => driver::ChannelBinding::Require,
    }
}

fn target_session_attrs(setting: TargetSessionAttrs) -> driver::TargetSessionAttrs {
    match setting {
        TargetSessionAttrs::Any => driver::TargetSessionAttrs::Any,
        TargetSessionAttrs::ReadWrite => driver::TargetSessionAttrs::ReadWrite,
    }
}
