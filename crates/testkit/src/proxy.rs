//! A TCP proxy that breaks on command.

use std::{
    mem,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// Stands between the worker and a server, and fails as networks and servers do.
///
/// ```no_run
/// # use key_backup_testkit::BreakableProxy;
/// # async fn test(redis: std::net::SocketAddr) -> anyhow::Result<()> {
/// let mut proxy = BreakableProxy::start(redis).await?;
/// // Let the worker use `proxy.address()`, then:
/// proxy.stall(); // what is sent stays under way, as with a hung server
/// proxy.heal().await?; // and now arrives
/// proxy.cut().await; // connections break, new ones are refused, as with a server that is down
/// proxy.heal().await?;
/// proxy.slow(std::time::Duration::from_millis(300)); // everything takes that much longer, each way
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct BreakableProxy {
    address: SocketAddr,
    target: SocketAddr,
    way: Way,
    /// The ends of connections that are dead for good.
    abandoned: Vec<watch::Sender<Delay>>,
    /// `None` while it is cut.
    listening: Option<JoinHandle<()>>,
}

/// How long everything is under way, each way; `None` for ever.
type Delay = Option<Duration>;

/// The delay of new connections, and of those made since the last [`BreakableProxy::abandon`].
type Way = Arc<Mutex<watch::Sender<Delay>>>;

const NO_DELAY: Delay = Some(Duration::ZERO);

impl BreakableProxy {
    /// Listens on a free loopback port and forwards to `target`.
    ///
    /// # Errors
    ///
    /// When there is no free port.
    pub async fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let way = Way::new(Mutex::new(watch::Sender::new(NO_DELAY)));
        let listening = Some(tokio::spawn(accept(listener, target, Arc::clone(&way))));
        Ok(Self { address, target, way, abandoned: Vec::new(), listening })
    }

    /// Where it listens; stays the same.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks all connections and refuses new ones, until [`BreakableProxy::heal`].
    pub async fn cut(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
            let _ = listening.await;
        }
    }

    /// Keeps connections open and accepts new ones, but forwards nothing either way, until [`BreakableProxy::heal`].
    pub fn stall(&self) {
        set(&self.way, None);
    }

    /// Forwards everything, but so much later, until [`BreakableProxy::heal`].
    pub fn slow(&self, delay: Duration) {
        set(&self.way, Some(delay));
    }

    /// Lets the connections of now die without a word, as when the server's machine is lost and another takes its address: they stay
    /// open, and nothing comes through them any more. New ones work.
    pub fn abandon(&mut self) {
        let mut way = self.way.lock().unwrap_or_else(PoisonError::into_inner);
        let dead = mem::replace(&mut *way, watch::Sender::new(NO_DELAY));
        dead.send_replace(None);
        self.abandoned.push(dead);
    }

    /// Forwards again, first of all what was held back.
    ///
    /// # Errors
    ///
    /// When the port has been taken by somebody else since the cut.
    pub async fn heal(&mut self) -> Result<()> {
        set(&self.way, NO_DELAY);
        if self.listening.is_none() {
            let listener = rebind(self.address).await?;
            self.listening = Some(tokio::spawn(accept(listener, self.target, Arc::clone(&self.way))));
        }
        Ok(())
    }
}

impl Drop for BreakableProxy {
    fn drop(&mut self) {
        if let Some(listening) = &self.listening {
            listening.abort();
        }
    }
}

/// The sockets of a cut may take a moment to go away.
async fn rebind(address: SocketAddr) -> Result<TcpListener> {
    for _ in 0..50 {
        if let Ok(listener) = TcpListener::bind(address).await {
            return Ok(listener);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    TcpListener::bind(address).await.with_context(|| format!("the proxy's port {address} is taken"))
}

fn set(way: &Way, delay: Delay) {
    way.lock().unwrap_or_else(PoisonError::into_inner).send_replace(delay);
}

/// Owns all connections: when it is aborted, they break.
async fn accept(listener: TcpListener, target: SocketAddr, way: Way) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let way = way.lock().unwrap_or_else(PoisonError::into_inner).subscribe();
        connections.spawn(forward(client, target, way));
        while connections.try_join_next().is_some() {}
    }
}

async fn forward(client: TcpStream, target: SocketAddr, mut way: watch::Receiver<Delay>) -> Result<()> {
    pass(&mut way).await?;
    let server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::try_join!(copy(from_client, to_server, way.clone()), copy(from_server, to_client, way))?;
    Ok(())
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut way: watch::Receiver<Delay>,
) -> Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        pass(&mut way).await?;
        if length == 0 {
            return Ok(to.shutdown().await?);
        }
        to.write_all(&buffer[..length]).await?;
    }
}

/// Is on its way for as long as everything is.
async fn pass(way: &mut watch::Receiver<Delay>) -> Result<()> {
    let delay = way.wait_for(Option::is_some).await?.unwrap_or_default();
    // A timer would take a millisecond for no time at all.
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    Ok(())
}
