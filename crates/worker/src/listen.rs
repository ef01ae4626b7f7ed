//! Opens the sockets of `worker_listeners`.

use std::{
    fs,
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

use anyhow::Context;
use key_backup_api::{ListenerContext, Listeners, Serves};
use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    config::{Bind, HttpListener, Listener, ListenerKind},
    tls::Certificates,
};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// How much of an answer the kernel keeps for a client that is slow to take it. More would hide for minutes that a client takes next to nothing.
const SEND_BUFFER: usize = 128 * 1024;

/// A socket that is bound, and how it is served.
pub(crate) enum Bound {
    Tcp(TcpListener),
    Tls(TcpListener, Box<ServerConfig>),
    Unix(UnixListener, PathBuf),
}

/// All sockets, and what is to be known of the requests that come in on them.
#[derive(Default)]
pub(crate) struct Listening {
    pub(crate) sockets: Vec<Bound>,
    pub(crate) contexts: Listeners,
}

impl Listening {
    /// Opens every listener.
    ///
    /// # Errors
    ///
    /// One of them cannot be opened; the message names it.
    pub(crate) fn open(listeners: &[Listener], certificates: &mut Certificates) -> anyhow::Result<Self> {
        let mut listening = Self::default();
        for listener in listeners {
            let context = context(listener);
            match &listener.bind {
                Bind::Unix { path, mode } => listening.open_unix(path, *mode, context)?,
                Bind::Tcp { port, addresses } => {
                    let tls = match &listener.kind {
                        ListenerKind::Http(HttpListener { tls: Some(files), .. }) => {
                            Some(certificates.load(files)?)
                        }
                        ListenerKind::Http(_) | ListenerKind::Metrics => None,
                    };
                    listening.open_tcp(*port, addresses, tls.as_ref(), &context)?;
                }
            }
        }
        Ok(listening)
    }

    fn open_unix(&mut self, path: &Path, mode: u32, context: ListenerContext) -> anyhow::Result<()> {
        let failed = || format!("cannot listen on {}", path.display());
        let socket = bind_unix(path).with_context(failed)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).with_context(failed)?;
        tracing::info!("listening on {}", path.display());
        self.contexts.unix.push((path.to_owned(), context));
        self.sockets.push(Bound::Unix(socket, path.to_owned()));
        Ok(())
    }

    fn open_tcp(
        &mut self,
        port: u16,
        addresses: &[IpAddr],
        tls: Option<&ServerConfig>,
        context: &ListenerContext,
    ) -> anyhow::Result<()> {
        let both_families = addresses.contains(&IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        for &address in addresses {
            let wanted = SocketAddr::new(address, port);
            let socket = match listen_tcp(wanted) {
                Ok(socket) => socket,
                // `::` has taken the port for both families already.
                Err(error) if both_families && address == Ipv4Addr::UNSPECIFIED && in_use(&error) => continue,
                Err(error) => return Err(error).with_context(|| format!("cannot listen on {wanted}")),
            };
            let bound = socket.local_addr().with_context(|| format!("cannot listen on {wanted}"))?;
            tracing::info!("listening on {bound}");
            self.contexts.tcp.push((bound, context.clone()));
            self.sockets.push(match tls {
                Some(config) => Bound::Tls(socket, Box::new(config.clone())),
                None => Bound::Tcp(socket),
            });
        }
        Ok(())
    }
}

fn context(listener: &Listener) -> ListenerContext {
    match &listener.kind {
        ListenerKind::Http(http) => ListenerContext {
            tag: http.tag.clone(),
            tls: http.tls.is_some(),
            x_forwarded: http.x_forwarded,
            request_id_header: http.request_id_header.clone(),
            serves: Serves::Resources { client: http.client, metrics: http.metrics },
        },
        ListenerKind::Metrics => ListenerContext {
            tag: "metrics".to_owned(),
            tls: false,
            x_forwarded: false,
            request_id_header: None,
            serves: Serves::MetricsEverywhere,
        },
    }
}

pub(crate) fn in_use(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrInUse
}

fn listen_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bind_tcp(address)?;
    // What is accepted inherits it.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Takes an address without listening yet: nobody can connect.
pub(crate) fn bind_tcp(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted worker must not wait for the old one's connections to be forgotten.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Binds a Unix socket, in the place of one that a killed process has left.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if in_use(&error) && is_left_over(path) => {
            fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    }
}

/// Whether nobody listens on that socket any more.
fn is_left_over(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    is_socket && UnixStream::connect(path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}
