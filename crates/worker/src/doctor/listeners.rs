//! Whether the listeners can be opened, or are open already.

use std::{
    fs,
    io::{self, ErrorKind, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    os::unix::{fs::FileTypeExt, net::UnixStream},
    path::Path,
    time::Duration,
};

use super::{
    finding::Finding,
    log::{may_create_in, parent},
};
use crate::{
    config::{Bind, HttpListener, Listener, ListenerKind},
    listen::{bind_tcp, in_use},
    tls::Certificates,
};

const CHECK: &str = "listeners";

/// How long whoever listens there already may take for each step of an answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// How much of an answer is read, in bytes: our metrics are a small part of that.
const LONGEST_ANSWER: u64 = 1 << 20;

/// What stands at a place.
enum Place {
    Free,
    Ours,
    Taken,
}

/// Tries every address without listening on it, and reads the certificates.
pub(super) fn check(listeners: &[Listener]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for listener in listeners {
        findings.extend(certificate(listener));
        match &listener.bind {
            Bind::Unix { path, .. } => {
                findings.push(finding(&path.display().to_string(), unix(path, &listener.kind)));
            }
            Bind::Tcp { port, addresses } => {
                for &address in addresses {
                    // `::` takes the port for both families.
                    let covered = address == Ipv4Addr::UNSPECIFIED
                        && addresses.contains(&IpAddr::V6(Ipv6Addr::UNSPECIFIED));
                    if !covered {
                        let address = SocketAddr::new(address, *port);
                        findings.push(finding(&address.to_string(), tcp(address, &listener.kind)));
                    }
                }
            }
        }
    }
    findings
}

fn certificate(listener: &Listener) -> Option<Finding> {
    let ListenerKind::Http(HttpListener { tls: Some(files), .. }) = &listener.kind else { return None };
    Some(match Certificates::default().load(files) {
        Ok(_) => Finding::ok(CHECK, format!("{} and its key fit together", files.chain.display())),
        Err(error) => {
            let advice = "correct `tls_certificate_path` and `tls_private_key_path`, and let the worker's user read the files";
            Finding::problem(CHECK, format!("{error:#}"), advice)
        }
    })
}

fn finding(place: &str, found: io::Result<Place>) -> Finding {
    match found {
        Ok(Place::Free) => Finding::ok(CHECK, format!("{place} is free")),
        Ok(Place::Ours) => Finding::ok(CHECK, format!("a key-backup-worker answers on {place}")),
        Ok(Place::Taken) => {
            let found = format!("something else listens on {place}, or a worker that is stuck or speaks TLS");
            let advice = "if this worker does not run now, stop the other program or choose another place: a place can be \
                          listened on only once";
            Finding::warning(CHECK, found, advice)
        }
        Err(error) => {
            let advice = "choose an address of this host, a port above 1023 (or give the worker CAP_NET_BIND_SERVICE), and \
                          for a Unix socket a folder that the worker's user may write";
            Finding::problem(CHECK, format!("cannot listen on {place}: {error}"), advice)
        }
    }
}

fn tcp(address: SocketAddr, kind: &ListenerKind) -> io::Result<Place> {
    match bind_tcp(address) {
        Ok(_) => Ok(Place::Free),
        Err(error) if in_use(&error) => {
            let stream = TcpStream::connect_timeout(&reachable(address), PATIENCE);
            Ok(whose(stream.and_then(|stream| {
                stream.set_read_timeout(Some(PATIENCE))?;
                answers_as_worker(stream, kind)
            })))
        }
        Err(error) => Err(error),
    }
}

/// Where a listener is reached from its own host.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if !ip.is_unspecified() => address,
        IpAddr::V4(_) => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(_) => (Ipv6Addr::LOCALHOST, address.port()).into(),
    }
}

fn unix(path: &Path, kind: &ListenerKind) -> io::Result<Place> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            may_create_in(parent(path)).map(|()| Place::Free)
        }
        Err(error) => Err(error),
        Ok(file) if !file.file_type().is_socket() => {
            Err(io::Error::other("there is a file, and it is no socket"))
        }
        Ok(_) => match UnixStream::connect(path) {
            // A killed process has left it: the worker takes its place.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                may_create_in(parent(path)).map(|()| Place::Free)
            }
            stream => Ok(whose(stream.and_then(|stream| {
                stream.set_read_timeout(Some(PATIENCE))?;
                answers_as_worker(stream, kind)
            }))),
        },
    }
}

fn whose(answers: io::Result<bool>) -> Place {
    if answers.unwrap_or(false) { Place::Ours } else { Place::Taken }
}

/// Answers to preflights say whose they are, and so do the names of metrics. Neither is counted or logged as a request.
fn answers_as_worker(mut stream: impl Read + Write, kind: &ListenerKind) -> io::Result<bool> {
    let (request, sign) = match kind {
        ListenerKind::Http(_) => {
            ("OPTIONS /_matrix/client/v3/room_keys/version", "\nserver: key-backup-worker/")
        }
        ListenerKind::Metrics => ("GET /_synapse/metrics", "\nkey_backup_"),
    };
    stream.write_all(format!("{request} HTTP/1.0\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).to_ascii_lowercase().contains(sign))
}
