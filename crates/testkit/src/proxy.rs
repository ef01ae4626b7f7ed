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
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct BreakableProxy {
    address: SocketAddr,
    target: SocketAddr,
    stalled: Stalled,
    /// The ends of connections that are dead for good.
    abandoned: Vec<watch::Sender<bool>>,
    /// `None` while it is cut.
    listening: Option<JoinHandle<()>>,
}

/// Whether new connections are held up, and those made since the last [`BreakableProxy::abandon`].
type Stalled = Arc<Mutex<watch::Sender<bool>>>;

impl BreakableProxy {
    /// Listens on a free loopback port and forwards to `target`.
    ///
    /// # Errors
    ///
    /// When there is no free port.
    pub async fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let stalled = Stalled::new(Mutex::new(watch::Sender::new(false)));
        let listening = Some(tokio::spawn(accept(listener, target, Arc::clone(&stalled))));
        Ok(Self { address, target, stalled, abandoned: Vec::new(), listening })
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
        hold(&self.stalled, true);
    }

    /// Lets the connections of now die without a word, as when the server's machine is lost and another takes its address: they stay
    /// open, and nothing comes through them any more. New ones work.
    pub fn abandon(&mut self) {
        let mut stalled = self.stalled.lock().unwrap_or_else(PoisonError::into_inner);
        let dead = mem::replace(&mut *stalled, watch::Sender::new(false));
        dead.send_replace(true);
        self.abandoned.push(dead);
    }

    /// Forwards again, first of all what was held back.
    ///
    /// # Errors
    ///
    /// When the port has been taken by somebody else since the cut.
    pub async fn heal(&mut self) -> Result<()> {
        hold(&self.stalled, false);
        if self.listening.is_none() {
            let listener = rebind(self.address).await?;
            self.listening = Some(tokio::spawn(accept(listener, self.target, Arc::clone(&self.stalled))));
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

fn hold(stalled: &Stalled, held: bool) {
    stalled.lock().unwrap_or_else(PoisonError::into_inner).send_replace(held);
}

/// Owns all connections: when it is aborted, they break.
async fn accept(listener: TcpListener, target: SocketAddr, stalled: Stalled) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let stalled = stalled.lock().unwrap_or_else(PoisonError::into_inner).subscribe();
        connections.spawn(forward(client, target, stalled));
        while connections.try_join_next().is_some() {}
    }
}

async fn forward(client: TcpStream, target: SocketAddr, mut stalled: watch::Receiver<bool>) -> Result<()> {
    stalled.wait_for(|stalled| !stalled).await?;
    let server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::try_join!(copy(from_client, to_server, stalled.clone()), copy(from_server, to_client, stalled))?;
    Ok(())
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut stalled: watch::Receiver<bool>,
) -> Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        stalled.wait_for(|stalled| !stalled).await?;
        if length == 0 {
            return Ok(to.shutdown().await?);
        }
        to.write_all(&buffer[..length]).await?;
    }
}
