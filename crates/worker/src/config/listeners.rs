//! Reads `worker_listeners`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    Bind, ConfigError, HttpListener, Listener, ListenerKind, ServerCertificate,
    files::Files,
    node::{Node, Section, optional, or},
};

/// What Synapse accepts as the name of a resource.
const RESOURCES: [&str; 10] = [
    "client",
    "consent",
    "federation",
    "health",
    "keys",
    "media",
    "metrics",
    "openid",
    "replication",
    "static",
];

/// Reads the listeners that this worker opens.
pub(super) fn read(files: &Files, warnings: &mut Vec<String>) -> Result<Vec<Listener>, ConfigError> {
    let mut listeners = Vec::new();
    if let Some(list) = files.get("worker_listeners") {
        for entry in list.items()? {
            listeners.extend(listener(&entry, files, warnings)?);
        }
    }
    if !listeners.iter().any(|listener| matches!(&listener.kind, ListenerKind::Http(http) if http.client)) {
        warnings.push(
            "no listener in worker_listeners has the resource `client`: no key backup is served".to_owned(),
        );
    }
    Ok(listeners)
}

fn listener(
    entry: &Node<'_>,
    files: &Files,
    warnings: &mut Vec<String>,
) -> Result<Option<Listener>, ConfigError> {
    let section = entry.section()?;
    let kind = section.require("type", "http or metrics")?;
    match kind.text()? {
        "http" => http(&section, files).map(Some),
        "metrics" => metrics(&section, files, warnings),
        "manhole" => {
            warnings.push(format!("{}: a manhole needs Synapse's Python, and is not opened", entry.place()));
            Ok(None)
        }
        "replication" => {
            Err(kind.error("TCP replication is gone from Synapse: remove this listener and use Redis"))
        }
        _ => Err(kind.expected("http or metrics")),
    }
}

fn http(section: &Section<'_>, files: &Files) -> Result<Listener, ConfigError> {
    let bind = bind(section, &[IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)])?;
    let is_unix = matches!(bind, Bind::Unix { .. });
    let tag = match &bind {
        Bind::Tcp { port, .. } => or(section.get("tag"), Node::scalar, port.to_string())?,
        Bind::Unix { .. } => "unix".to_owned(),
    };
    let resources = resources(section)?;
    let header = optional(section.get("request_id_header"), |node| Ok(node.text()?.to_owned()))?;
    let http = HttpListener {
        tls: tls(section, is_unix, files)?,
        x_forwarded: or(section.get("x_forwarded"), Node::bool, is_unix)?,
        tag,
        request_id_header: header.filter(|header| !header.is_empty()),
        client: resources.contains(&"client"),
        metrics: resources.contains(&"metrics"),
    };
    Ok(Listener { bind, kind: ListenerKind::Http(http) })
}

fn metrics(
    section: &Section<'_>,
    files: &Files,
    warnings: &mut Vec<String>,
) -> Result<Option<Listener>, ConfigError> {
    let bind = bind(section, &[IpAddr::V4(Ipv4Addr::UNSPECIFIED)])?;
    if let (Bind::Unix { .. }, Some(path)) = (&bind, section.get("path")) {
        return Err(path.error("a metrics listener needs a `port`"));
    }
    if !or(files.get("enable_metrics"), Node::bool, false)? {
        warnings
            .push("a metrics listener is configured but not opened: enable_metrics is not true".to_owned());
        return Ok(None);
    }
    Ok(Some(Listener { bind, kind: ListenerKind::Metrics }))
}

fn bind(section: &Section<'_>, default: &[IpAddr]) -> Result<Bind, ConfigError> {
    match (section.get("port"), section.get("path")) {
        (Some(_), Some(path)) => Err(path.error("`port` and `path` exclude one another")),
        (None, None) => Err(section.error("`port` or `path` is missing")),
        (Some(port), None) => {
            Ok(Bind::Tcp { port: port.integer(0..=u16::MAX)?, addresses: addresses(section, default)? })
        }
        (None, Some(path)) => {
            Ok(Bind::Unix { path: path.path()?, mode: or(section.get("mode"), mode, 0o666)? })
        }
    }
}

fn mode(node: &Node<'_>) -> Result<u32, ConfigError> {
    node.integer(0..=0o7777).map_err(|_| node.expected("permissions as an octal number, such as 0660"))
}

fn addresses(section: &Section<'_>, default: &[IpAddr]) -> Result<Vec<IpAddr>, ConfigError> {
    let mut nodes = or(section.get("bind_addresses"), Node::items, Vec::new())?;
    nodes.extend(section.get("bind_address").filter(Node::is_truthy));
    if nodes.is_empty() {
        return Ok(default.to_vec());
    }
    nodes.iter().map(address).collect()
}

/// The empty string and `localhost` are what Synapse's network library makes of them.
fn address(node: &Node<'_>) -> Result<IpAddr, ConfigError> {
    match node.text()? {
        "" => Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        "localhost" => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        text => text.parse().map_err(|_| node.expected("an IP address")),
    }
}

fn tls(
    section: &Section<'_>,
    is_unix: bool,
    files: &Files,
) -> Result<Option<ServerCertificate>, ConfigError> {
    let Some(tls) = section.get("tls") else { return Ok(None) };
    if !tls.bool()? {
        return Ok(None);
    }
    if is_unix {
        return Err(tls.error("a Unix socket has no TLS"));
    }
    let file = |key: &str| {
        let node = files.get(key).ok_or_else(|| tls.error(format!("TLS needs `{key}`")))?;
        node.path()
    };
    Ok(Some(ServerCertificate { chain: file("tls_certificate_path")?, key: file("tls_private_key_path")? }))
}

fn resources<'a>(section: &Section<'a>) -> Result<Vec<&'a str>, ConfigError> {
    let mut all = Vec::new();
    for resource in or(section.get("resources"), Node::items, Vec::new())? {
        for name in or(resource.section()?.get("names"), Node::items, Vec::new())? {
            if !RESOURCES.contains(&name.text()?) {
                return Err(name.expected(&format!("one of {}", RESOURCES.join(", "))));
            }
            all.push(name.text()?);
        }
    }
    Ok(all)
}
