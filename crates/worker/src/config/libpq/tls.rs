//! The `ssl*` keywords.

use std::path::PathBuf;

use key_backup_storage::{ClientCertificate, RootCertificates, SslMode, TlsSettings, TlsVersion};

use super::{
    super::{ConfigError, Environment},
    parameters::Parameters,
};

/// Reads them, with libpq's defaults in `~/.postgresql`.
pub(super) fn read(parameters: &Parameters, environment: &Environment) -> Result<TlsSettings, ConfigError> {
    let roots = roots(parameters, environment);
    let mode = mode(parameters, &roots)?;
    let direct = parameters.choice("sslnegotiation", &[("postgres", false), ("direct", true)], false)?;
    if direct && matches!(mode, SslMode::Disable | SslMode::Prefer) {
        let problem = "`direct` needs an `sslmode` of require or more";
        return Err(parameters.get("sslnegotiation").map_or_else(
            || ConfigError::new("sslnegotiation", problem),
            |parameter| parameter.error(problem),
        ));
    }
    let (minimum_version, maximum_version) = versions(parameters)?;
    Ok(TlsSettings {
        mode,
        roots,
        client_certificate: client_certificate(parameters, environment),
        direct,
        server_name_indication: parameters.choice("sslsni", &[("1", true), ("0", false)], true)?,
        minimum_version,
        maximum_version,
    })
}

fn mode(parameters: &Parameters, roots: &RootCertificates) -> Result<SslMode, ConfigError> {
    let words = [
        ("disable", SslMode::Disable),
        ("allow", SslMode::Prefer),
        ("prefer", SslMode::Prefer),
        ("require", SslMode::Require),
        ("verify-ca", SslMode::VerifyCa),
        ("verify-full", SslMode::VerifyFull),
    ];
    let is_system = *roots == RootCertificates::System;
    let default = if is_system { SslMode::VerifyFull } else { SslMode::Prefer };
    let mode = parameters.choice("sslmode", &words, default)?;
    match parameters.get("sslmode") {
        Some(given) if is_system && mode != SslMode::VerifyFull => {
            Err(given.error("`sslrootcert=system` needs `sslmode=verify-full`"))
        }
        Some(given)
            if matches!(mode, SslMode::VerifyCa | SslMode::VerifyFull)
                && *roots == RootCertificates::None =>
        {
            Err(given.error("verifying needs `sslrootcert`, or root certificates in ~/.postgresql/root.crt"))
        }
        _ => Ok(mode),
    }
}

fn roots(parameters: &Parameters, environment: &Environment) -> RootCertificates {
    match parameters.path("sslrootcert") {
        Some(path) if path.as_os_str() == "system" => RootCertificates::System,
        Some(path) => RootCertificates::File(path),
        None => home_file(environment, "root.crt").map_or(RootCertificates::None, RootCertificates::File),
    }
}

/// libpq's default certificate counts only if it exists.
fn client_certificate(parameters: &Parameters, environment: &Environment) -> Option<ClientCertificate> {
    let certificate = parameters.path("sslcert").or_else(|| home_file(environment, "postgresql.crt"))?;
    let home = environment.home.clone().unwrap_or_default();
    let key = parameters.path("sslkey").unwrap_or_else(|| home.join(".postgresql/postgresql.key"));
    Some(ClientCertificate { certificate, key })
}

fn home_file(environment: &Environment, name: &str) -> Option<PathBuf> {
    let path = environment.home.as_ref()?.join(".postgresql").join(name);
    path.is_file().then_some(path)
}

fn versions(parameters: &Parameters) -> Result<(TlsVersion, TlsVersion), ConfigError> {
    let new = [("TLSv1.2", TlsVersion::Tls12), ("TLSv1.3", TlsVersion::Tls13)];
    let old = [("TLSv1", TlsVersion::Tls12), ("TLSv1.1", TlsVersion::Tls12)];
    let any: Vec<_> = old.into_iter().chain(new).collect();
    let minimum = parameters.choice("ssl_min_protocol_version", &any, TlsVersion::Tls12)?;
    let maximum = parameters.choice("ssl_max_protocol_version", &new, TlsVersion::Tls13)?;
    match parameters.get("ssl_max_protocol_version") {
        Some(given) if maximum < minimum => Err(given.error("must not be below `ssl_min_protocol_version`")),
        _ => Ok((minimum, maximum)),
    }
}
