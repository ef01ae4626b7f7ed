//! Where the server may be: `host`, `hostaddr` and `port`.

use std::net::IpAddr;

use key_backup_storage::Host;

use super::{
    super::ConfigError,
    parameters::{Parameter, Parameters},
};

/// Where libpq looks for the server's socket if no host is given, as Debian and psycopg2's wheels have it.
pub(super) const SOCKET_DIRECTORY: &str = "/var/run/postgresql";
const PORT: u16 = 5432;

/// Pairs up the three lists as libpq does.
pub(super) fn read(parameters: &Parameters) -> Result<Vec<Host>, ConfigError> {
    let names = list(parameters.get("host"));
    let addresses = list(parameters.get("hostaddr"));
    let count = names.len().max(addresses.len()).max(1);
    if let (Some(address), Some(_)) = (parameters.get("hostaddr"), parameters.get("host"))
        && names.len() != addresses.len()
    {
        return Err(address.expected(&format!("{} addresses, as many as there are hosts", names.len())));
    }
    let ports = ports(parameters.get("port"), count)?;
    let at = |list: &[&str], index: usize| list.get(index).copied().unwrap_or("").to_owned();
    (0..count)
        .map(|index| match parameters.get("hostaddr") {
            Some(parameter) if !at(&addresses, index).is_empty() => {
                let address = at(&addresses, index);
                let address = address.parse().map_err(|_| parameter.expected("IP addresses"))?;
                Ok(at_address(at(&names, index), address, ports[index]))
            }
            _ => named(parameters, at(&names, index), ports[index]),
        })
        .collect()
}

fn list(parameter: Option<&Parameter>) -> Vec<&str> {
    parameter.map_or_else(Vec::new, |parameter| parameter.value.split(',').map(str::trim).collect())
}

fn ports(parameter: Option<&Parameter>, count: usize) -> Result<Vec<u16>, ConfigError> {
    let Some(parameter) = parameter else { return Ok(vec![PORT; count]) };
    let port = |text: &str| match text.trim() {
        "" => Ok(PORT),
        text => match text.parse() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(parameter.expected("ports from 1 to 65535")),
        },
    };
    let ports = parameter.value.split(',').map(port).collect::<Result<Vec<u16>, _>>()?;
    match ports.as_slice() {
        [port] => Ok(vec![*port; count]),
        _ if ports.len() == count => Ok(ports),
        _ => Err(parameter.expected(&format!("one port, or {count}, as many as there are hosts"))),
    }
}

fn at_address(name: String, address: IpAddr, port: u16) -> Host {
    let name = if name.is_empty() { address.to_string() } else { name };
    Host::Tcp { name, address: Some(address), port }
}

fn named(parameters: &Parameters, name: String, port: u16) -> Result<Host, ConfigError> {
    match (name.as_bytes().first(), parameters.get("host")) {
        (None, _) => Ok(Host::Unix { directory: SOCKET_DIRECTORY.into(), port }),
        (Some(b'/'), _) => Ok(Host::Unix { directory: name.into(), port }),
        (Some(b'@'), Some(host)) => Err(host.error("the worker cannot connect to abstract sockets")),
        _ => Ok(Host::Tcp { name, address: None, port }),
    }
}
