//! libpq's connection service files.

use std::{fs, path::PathBuf};

use super::{
    super::{ConfigError, Environment},
    parameters::{Parameter, Parameters},
};

/// The parameters of the `service` that is asked for, if any: from the `servicefile`, from
/// `~/.pg_service.conf`, or from `pg_service.conf` in `$PGSYSCONFDIR`.
pub(super) fn read(
    parameters: &Parameters,
    environment: &Environment,
) -> Result<Vec<(String, Parameter)>, ConfigError> {
    let Some(service) = parameters.get("service") else { return Ok(Vec::new()) };
    for file in files(parameters, environment) {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let place = |line: usize| format!("{}, line {line}", file.display());
        if let Some(found) = section(&text, &service.value, place)? {
            return Ok(found);
        }
    }
    Err(service.error("no service file has this service"))
}

fn files(parameters: &Parameters, environment: &Environment) -> Vec<PathBuf> {
    let user = parameters
        .path("servicefile")
        .or_else(|| environment.home.as_ref().map(|home| home.join(".pg_service.conf")));
    let system = environment.variable("PGSYSCONFDIR").unwrap_or("/etc/postgresql-common");
    user.into_iter().chain([PathBuf::from(system).join("pg_service.conf")]).collect()
}

/// The `keyword=value` lines below `[service]`.
fn section(
    text: &str,
    service: &str,
    place: impl Fn(usize) -> String,
) -> Result<Option<Vec<(String, Parameter)>>, ConfigError> {
    let mut found: Option<Vec<_>> = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            found = (header.strip_suffix(']') == Some(service)).then(Vec::new);
        } else if let Some(found) = &mut found {
            let (name, value) = line
                .split_once('=')
                .filter(|(name, _)| *name != "service")
                .ok_or_else(|| ConfigError::new(place(index + 1), "expected keyword=value"))?;
            found.push((name.to_owned(), Parameter { value: value.to_owned(), place: place(index + 1) }));
        }
    }
    Ok(found)
}
