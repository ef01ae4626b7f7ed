//! HTTP on the sockets: actix's server and protocol, over streams of our own.

use std::{
    cell::OnceCell,
    io,
    net::{Shutdown, SocketAddr},
    os::fd::OwnedFd,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use actix_http::{HttpService, error::DispatchError};
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::{
    App as Service,
    dev::{AppConfig, Server, ServerHandle},
    rt::net::{TcpStream, UnixStream},
    web::Data,
};
use key_backup_api::{AppState, BoundTo, Connection, Instance, configure};
use socket2::Socket;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{listen::Bound, stream::ClientStream, threads, watchdog::Watchdog};

/// How long an idle connection is kept: longer than nginx keeps its own (60 s), so that nginx never sends a request into a
/// connection that is just being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long the rest of a request is read and thrown away after an answer that did not wait for it: else the client might never see the answer.
const LINGER: Duration = Duration::from_secs(1);

/// A server that runs.
pub(crate) struct Serving {
    pub(crate) server: Server,
    pub(crate) stopping: Stopping,
}

/// The ways to end it gently.
pub(crate) struct Stopping {
    listeners: Vec<Socket>,
    closing: CancellationToken,
}

impl Serving {
    /// Begins to serve.
    ///
    /// # Errors
    ///
    /// A socket cannot be used.
    pub(crate) fn begin(
        sockets: Vec<Bound>,
        instance: &Arc<Instance>,
        max_connections: usize,
        watchdog: Option<&Watchdog>,
    ) -> io::Result<Self> {
        let threads = instance.databases.threads();
        let mut builder = Server::build()
            .workers(threads)
            .disable_signals()
            .max_concurrent_connections(max_connections.div_ceil(threads));
        let (mut listeners, closing) = (Vec::new(), CancellationToken::new());
        for socket in sockets {
            listeners.push(socket.duplicate()?);
            let way =
                Way { instance: Arc::clone(instance), closing: closing.clone(), watchdog: watchdog.cloned() };
            builder = match socket {
                Bound::Tcp(socket) => {
                    let address = socket.local_addr()?;
                    builder.listen(address.to_string(), socket, move || way.tcp(BoundTo::Tcp(address)))?
                }
                Bound::Tls(socket, config) => {
                    let address = socket.local_addr()?;
                    let acceptor = TlsAcceptor::from(Arc::new(*config));
                    builder.listen(address.to_string(), socket, move || {
                        way.tls(BoundTo::Tcp(address), acceptor.clone())
                    })?
                }
                Bound::Unix(socket, path) => {
                    let name = path.display().to_string();
                    builder.listen_uds(name, socket, move || way.unix(path.clone()))?
                }
            };
        }
        Ok(Self { server: builder.run(), stopping: Stopping { listeners, closing } })
    }
}

thread_local! {
    /// The state of this thread: actix makes a service for each socket in each thread, and they have it together.
    static STATE: OnceCell<Data<AppState>> = const { OnceCell::new() };
}

/// What each connection gets.
#[derive(Clone)]
struct Way {
    instance: Arc<Instance>,
    closing: CancellationToken,
    watchdog: Option<Watchdog>,
}

/// Accepts what comes in on a socket.
trait Accept<IO>: ServiceFactory<IO, Config = (), Response = (), Error = DispatchError, InitError = ()> {}

impl<IO, F> Accept<IO> for F where
    F: ServiceFactory<IO, Config = (), Response = (), Error = DispatchError, InitError = ()>
{
}

impl Way {
    fn tcp(&self, bound: BoundTo) -> impl Accept<TcpStream> + use<> {
        let way = self.clone();
        let stream = move |io: TcpStream| {
            let stream = way.tcp_stream(io, bound.clone());
            async move { stream }
        };
        fn_service(stream).and_then(self.http())
    }

    fn tls(&self, bound: BoundTo, acceptor: TlsAcceptor) -> impl Accept<TcpStream> + use<> {
        let way = self.clone();
        let stream = move |io: TcpStream| {
            let (way, bound, acceptor) = (way.clone(), bound.clone(), acceptor.clone());
            async move {
                let peer = io.peer_addr().ok();
                io.set_nodelay(true)?;
                let limit = way.instance.limits.settings.slow_client_timeout;
                let handshake = timeout(limit, acceptor.accept(io)).await;
                let io = handshake.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
                Ok::<_, DispatchError>((way.stream(io, bound), peer))
            }
        };
        fn_service(stream).and_then(self.http())
    }

    fn unix(&self, path: PathBuf) -> impl Accept<UnixStream> + use<> {
        let way = self.clone();
        let stream = move |io: UnixStream| {
            let stream = way.stream(io, BoundTo::Unix(path.clone()));
            async move { Ok::<_, DispatchError>((stream, None)) }
        };
        fn_service(stream).and_then(self.http())
    }

    fn tcp_stream(
        &self,
        io: TcpStream,
        bound: BoundTo,
    ) -> Result<(ClientStream<TcpStream>, Option<SocketAddr>), DispatchError> {
        io.set_nodelay(true)?;
        let peer = io.peer_addr().ok();
        Ok((self.stream(io, bound), peer))
    }

    fn stream<T>(&self, io: T, bound: BoundTo) -> ClientStream<T> {
        ClientStream::new(io, Connection::new(bound), Arc::clone(&self.instance), self.closing.clone())
    }

    /// What all sockets share in a thread. The first one begins with it.
    fn state_of_this_thread(&self) -> Data<AppState> {
        let begin = || {
            threads::measure_this_thread(&self.instance.metrics);
            self.watchdog.iter().for_each(Watchdog::watch_this_loop);
            Data::new(AppState::of_this_thread(Arc::clone(&self.instance)))
        };
        STATE.with(|state| state.get_or_init(begin).clone())
    }

    /// The protocol. Its own time limit for the head of a request is left out: streams have one that is for all requests of a connection.
    fn http<T>(
        &self,
    ) -> impl ServiceFactory<
        (ClientStream<T>, Option<SocketAddr>),
        Config = (),
        Response = (),
        Error = DispatchError,
        InitError = (),
    > + use<T>
    where
        T: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let state = self.state_of_this_thread();
        let service = Service::new().configure(|service| configure(service, state)).into_factory();
        HttpService::build()
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(LINGER)
            .on_connect_ext(|stream: &ClientStream<T>, data| {
                data.insert(stream.connection().clone());
            })
            .h1(map_config(service, |()| AppConfig::default()))
    }
}

impl Stopping {
    /// Closes the listeners: who connects is refused, so that a proxy goes elsewhere. Connections stay open.
    pub(crate) async fn stop_listening(&self, server: &ServerHandle) {
        server.pause().await;
        for listener in &self.listeners {
            // One that cannot be closed now is closed with the server.
            let _ = listener.shutdown(Shutdown::Both);
        }
    }

    /// Closes every connection on which no request is under way, and lets the others be closed after their answer.
    pub(crate) fn close_connections(&self) {
        self.closing.cancel();
    }
}

impl Bound {
    /// Another handle to the same socket.
    fn duplicate(&self) -> io::Result<Socket> {
        let duplicate: OwnedFd = match self {
            Self::Tcp(socket) | Self::Tls(socket, _) => socket.try_clone()?.into(),
            Self::Unix(socket, _) => socket.try_clone()?.into(),
        };
        Ok(duplicate.into())
    }
}
