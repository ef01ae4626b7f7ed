//! A proxy before PostgreSQL that counts round trips.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Result;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::{JoinHandle, JoinSet},
};

use super::wire::{Heard, Wire};

type SharedWire = Arc<Mutex<Wire>>;

/// Forwards connections to PostgreSQL and overhears them. It takes time of its own: nothing is timed through it.
pub(super) struct Tap {
    pub(super) port: u16,
    wires: Arc<Mutex<Vec<SharedWire>>>,
    listening: JoinHandle<()>,
}

impl Tap {
    /// Listens on a free loopback port and forwards to `target`.
    pub(super) async fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let wires = Arc::default();
        let listening = tokio::spawn(accept(listener, target, Arc::clone(&wires)));
        Ok(Self { port, wires, listening })
    }

    /// What has gone over each connection since the last call.
    pub(super) fn take(&self) -> Vec<Heard> {
        lock(&self.wires).iter().map(|wire| lock(wire).take()).collect()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Owns all connections: when it is aborted, they break.
async fn accept(listener: TcpListener, target: SocketAddr, wires: Arc<Mutex<Vec<SharedWire>>>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let wire = SharedWire::default();
        lock(&wires).push(Arc::clone(&wire));
        connections.spawn(forward(client, target, wire));
    }
}

async fn forward(client: TcpStream, target: SocketAddr, wire: SharedWire) -> Result<()> {
    let server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::try_join!(
        copy(from_client, to_server, |bytes| lock(&wire).hear_client(bytes)),
        copy(from_server, to_client, |bytes| lock(&wire).hear_server(bytes))
    )?;
    Ok(())
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut hear: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(to.shutdown().await?);
        }
        hear(&buffer[..length])?;
        to.write_all(&buffer[..length]).await?;
    }
}
