//! What the reverse proxy needs to bring requests here.

use std::net::{IpAddr, Ipv4Addr};

use super::finding::Finding;
use crate::config::{Bind, Config, HttpListener, Listener, ListenerKind};

/// nginx's lines for the listeners that serve the key backup. Nobody can tell from here whether they are in place.
pub(super) fn hint(config: &Config) -> Vec<Finding> {
    const CHECK: &str = "reverse_proxy";
    let serving: Vec<(&Listener, &HttpListener)> = config
        .listeners
        .iter()
        .filter_map(|listener| match &listener.kind {
            ListenerKind::Http(http) if http.client => Some((listener, http)),
            ListenerKind::Http(_) | ListenerKind::Metrics => None,
        })
        .collect();
    let Some((_, first)) = serving.first() else { return Vec::new() };
    let lines = lines(&serving, first, config.max_request_body);
    let found = "nginx brings requests here with these lines (another proxy: the same paths, undecoded)";
    let mut hint = Finding::ok(CHECK, found);
    hint.advice = Some(lines);
    let mut findings = vec![hint];
    if serving.iter().any(|(_, http)| !http.x_forwarded) {
        let found = "a listener takes the proxy's address for the client's";
        let advice = "set `x_forwarded: true` on listeners that only a reverse proxy can reach";
        findings.push(Finding::warning("x_forwarded", found, advice));
    }
    findings
}

fn lines(serving: &[(&Listener, &HttpListener)], first: &HttpListener, max_request_body: usize) -> String {
    let servers: Vec<_> = serving
        .iter()
        .map(|(listener, _)| format!("    server {} max_fails=0;", server(&listener.bind)))
        .collect();
    let servers = servers.join("\n");
    let scheme = if first.tls.is_some() { "https" } else { "http" };
    format!(
        r#"# in http {{ }}
upstream key_backup {{
{servers}
    keepalive 8;
}}
# in server {{ }}
location ~ ^/_matrix/client/(r0|v3|unstable)/room_keys/ {{
    proxy_pass {scheme}://key_backup;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host:$server_port;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    client_max_body_size {max_request_body};
}}
"#
    )
}

fn server(bind: &Bind) -> String {
    match bind {
        Bind::Unix { path, .. } => format!("unix:{}", path.display()),
        Bind::Tcp { port, addresses } => {
            let address = addresses.iter().find(|address| !address.is_unspecified());
            match address.copied().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)) {
                IpAddr::V4(address) => format!("{address}:{port}"),
                IpAddr::V6(address) => format!("[{address}]:{port}"),
            }
        }
    }
}
