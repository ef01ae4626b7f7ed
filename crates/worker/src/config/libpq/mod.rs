//! Connection parameters as libpq reads them: keywords, connection strings, service and password files,
//! environment variables and defaults.

mod conninfo;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod hosts;
mod keywords;
mod parameters;
mod passfile;
mod service;
mod tls;

use std::time::Duration;

use key_backup_storage::{ChannelBinding, ConnectionSettings, Host, Keepalives, TargetSessionAttrs};
use secrecy::SecretString;

use self::parameters::Parameters;
use super::{ConfigError, Environment, node::Section};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// Reads Synapse's `args`. `application_name` is the name of the sessions if nothing else gives them one.
pub(super) fn connection(
    args: &Section<'_>,
    environment: &Environment,
    application_name: &str,
    warnings: &mut Vec<String>,
) -> Result<ConnectionSettings, ConfigError> {
    let parameters = Parameters::read(args, environment)?;
    let hosts = hosts::read(&parameters)?;
    let user = parameters
        .text("user")
        .or_else(|| environment.user.clone())
        .ok_or_else(|| args.error("`user` is missing, and the operating system has no name for this user"))?;
    let dbname = parameters.text("dbname").unwrap_or_else(|| user.clone());
    let application_name = parameters
        .text("application_name")
        .or_else(|| parameters.text("fallback_application_name"))
        .unwrap_or_else(|| application_name.to_owned());
    Ok(ConnectionSettings {
        password: password(&parameters, environment, &hosts[0], &dbname, &user, warnings),
        hosts,
        user,
        dbname,
        application_name,
        options: parameters.text("options"),
        connect_timeout: parameters.time("connect_timeout", SECOND)?,
        target_session_attrs: target_session_attrs(&parameters)?,
        load_balance_hosts: parameters.choice(
            "load_balance_hosts",
            &[("disable", false), ("random", true)],
            false,
        )?,
        keepalives: keepalives(&parameters)?,
        tcp_user_timeout: parameters.time("tcp_user_timeout", MILLISECOND)?,
        channel_binding: channel_binding(&parameters)?,
        tls: tls::read(&parameters, environment)?,
    })
}

fn password(
    parameters: &Parameters,
    environment: &Environment,
    host: &Host,
    dbname: &str,
    user: &str,
    warnings: &mut Vec<String>,
) -> Option<SecretString> {
    if let Some(password) = parameters.text("password") {
        return Some(password.into());
    }
    let file =
        parameters.path("passfile").or_else(|| environment.home.as_ref().map(|home| home.join(".pgpass")))?;
    passfile::password(&file, host, dbname, user, warnings)
}

fn keepalives(parameters: &Parameters) -> Result<Option<Keepalives>, ConfigError> {
    if parameters.integer("keepalives")? == Some(0) {
        return Ok(None);
    }
    let count = parameters.integer("keepalives_count")?.and_then(|count| u32::try_from(count).ok());
    Ok(Some(Keepalives {
        idle: parameters.time("keepalives_idle", SECOND)?,
        interval: parameters.time("keepalives_interval", SECOND)?,
        count: count.filter(|count| *count > 0),
    }))
}

fn target_session_attrs(parameters: &Parameters) -> Result<TargetSessionAttrs, ConfigError> {
    let words = [
        ("any", TargetSessionAttrs::Any),
        ("read-write", TargetSessionAttrs::ReadWrite),
        ("primary", TargetSessionAttrs::ReadWrite),
    ];
    parameters.choice("target_session_attrs", &words, TargetSessionAttrs::Any)
}

fn channel_binding(parameters: &Parameters) -> Result<ChannelBinding, ConfigError> {
    let words = [
        ("disable", ChannelBinding::Disable),
        ("prefer", ChannelBinding::Prefer),
        ("require", ChannelBinding::Require),
    ];
    parameters.choice("channel_binding", &words, ChannelBinding::Prefer)
}
