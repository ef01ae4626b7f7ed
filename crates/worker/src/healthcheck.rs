//! Asks a running worker whether it is well, for containers: their images have no curl.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    time::Duration,
};

use anyhow::{Context, ensure};

use crate::config::{Bind, Listener, ListenerKind};

/// How long to wait for a connection, and then for the answer: together within the five seconds that a container's health
/// check usually has.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks the first `http` listener without TLS for `GET /health`.
///
/// # Errors
///
/// There is no such listener, nobody answers on it in time, or the answer's status is not 200.
pub fn ask(listeners: &[Listener]) -> anyhow::Result<()> {
    let plain =
        |listener: &&Listener| matches!(&listener.kind, ListenerKind::Http(http) if http.tls.is_none());
    let listener =
        listeners.iter().find(plain).context("worker_listeners has no `http` listener without TLS to ask")?;
    let (place, status_line) = match &listener.bind {
        Bind::Tcp { port, addresses } => {
            let address = SocketAddr::new(local(addresses), *port);
            (address.to_string(), ask_tcp(address))
        }
        Bind::Unix { path, .. } => (path.display().to_string(), UnixStream::connect(path).and_then(ask_unix)),
    };
    let status_line = status_line.with_context(|| format!("cannot ask {place}"))?;
    let status = status_line.split(' ').nth(1).unwrap_or_default();
    ensure!(status == "200", "{place} answered {:?} instead of 200", status_line.trim_end());
    Ok(())
}

/// Where a listener can be reached from its own machine. `::` takes IPv4 too, and a container may have no other.
fn local(addresses: &[IpAddr]) -> IpAddr {
    let specified = addresses.first().filter(|address| !address.is_unspecified());
    specified.copied().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

fn ask_tcp(address: SocketAddr) -> io::Result<String> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    status_line(stream)
}

fn ask_unix(stream: UnixStream) -> io::Result<String> {
    stream.set_read_timeout(Some(PATIENCE))?;
    status_line(stream)
}

fn status_line(mut stream: impl Read + Write) -> io::Result<String> {
    stream.write_all(b"GET /health HTTP/1.0\r\n\r\n")?;
    let mut line = String::new();
    BufReader::new(stream.take(256)).read_line(&mut line)?;
    Ok(line)
}
