//! One connection, for one or more requests.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};

use super::{Head, Request, Response, body::Framing};

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// A port on 127.0.0.1.
    pub fn loopback(port: u16) -> Self {
        Self::Tcp(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    /// A Unix socket.
    pub fn unix(path: &Path) -> Self {
        Self::Unix(path.to_owned())
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// An open connection. It stays open for further requests as long as the server keeps it.
pub struct Connection {
    stream: Box<dyn Stream>,
    /// What was received and not yet used.
    received: Vec<u8>,
    /// The method of the request whose answer comes next: the answer to a HEAD has no body.
    method: String,
    framing: Framing,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// When nobody listens there.
    pub async fn open(address: &Address) -> Result<Self> {
        let stream: Box<dyn Stream> = match address {
            Address::Tcp(address) => {
                let stream =
                    TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Address::Unix(path) => Box::new(
                UnixStream::connect(path)
                    .await
                    .with_context(|| format!("connecting to {}", path.display()))?,
            ),
        };
        Ok(Self { stream, received: Vec::new(), method: String::new(), framing: Framing::Done })
    }

    /// Sends a request.
    ///
    /// # Errors
    ///
    /// When the server has closed the connection.
    pub async fn send(&mut self, request: &Request) -> Result<()> {
        self.method.clone_from(&request.method);
        self.send_bytes(&request.to_bytes()).await
    }

    /// Sends any bytes: half a request, several in a row, or none at all.
    ///
    /// # Errors
    ///
    /// When the server has closed the connection.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// Tells the server that nothing more will be sent; what it answers can still be read.
    ///
    /// # Errors
    ///
    /// When the connection is gone.
    pub async fn finish_sending(&mut self) -> Result<()> {
        Ok(self.stream.shutdown().await?)
    }

    /// Sends a request and reads the whole answer, past any `100 Continue`.
    ///
    /// # Errors
    ///
    /// When the connection breaks, the answer is no HTTP, or its body ends early.
    pub async fn request(&mut self, request: &Request) -> Result<Response> {
        self.send(request).await?;
        self.read_response().await
    }

    /// Reads one whole answer, past any `100 Continue`.
    ///
    /// # Errors
    ///
    /// As [`Connection::request`].
    pub async fn read_response(&mut self) -> Result<Response> {
        let mut head = self.read_head().await?;
        while head.status == 100 {
            head = self.read_head().await?;
        }
        let mut body = Vec::new();
        while let Some(part) = self.read_part().await? {
            body.extend(part);
        }
        Ok(Response { status: head.status, head, body })
    }

    /// Reads status line and headers; [`Connection::read_part`] reads on.
    ///
    /// # Errors
    ///
    /// When the server closes before, or answers something else.
    pub async fn read_head(&mut self) -> Result<Head> {
        let head = Head::parse(&self.read_to(b"\r\n\r\n").await.context("no answer")?)?;
        self.framing = Framing::of(&head, &self.method)?;
        Ok(head)
    }

    /// Reads the next part of a body: a chunk, or what has arrived of a body that is not chunked. `None` at its proper end.
    ///
    /// # Errors
    ///
    /// When the server closes before that end.
    pub async fn read_part(&mut self) -> Result<Option<Vec<u8>>> {
        match self.framing {
            Framing::Done | Framing::Length(0) => Ok(None),
            Framing::Chunked => self.read_chunk().await,
            Framing::Length(left) => {
                ensure!(
                    !self.received.is_empty() || self.receive().await? > 0,
                    "the body is truncated: {left} bytes missing"
                );
                let part: Vec<u8> = self.received.drain(..left.min(self.received.len())).collect();
                self.framing = Framing::Length(left - part.len());
                Ok(Some(part))
            }
            Framing::UntilClose => {
                if self.received.is_empty() && self.receive().await? == 0 {
                    self.framing = Framing::Done;
                    return Ok(None);
                }
                Ok(Some(std::mem::take(&mut self.received)))
            }
        }
    }

    /// Whether the server has closed the connection, or closes it within `limit`, without sending anything more.
    pub async fn is_closed_within(&mut self, limit: std::time::Duration) -> bool {
        self.received.is_empty()
            && matches!(tokio::time::timeout(limit, self.receive()).await, Ok(Ok(0) | Err(_)))
    }

    async fn read_chunk(&mut self) -> Result<Option<Vec<u8>>> {
        let line = self.read_to(b"\r\n").await.context("the body is truncated")?;
        let line = String::from_utf8_lossy(&line).into_owned();
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).with_context(|| format!("not a chunk size: {line:?}"))?;
        while self.received.len() < size + 2 {
            ensure!(self.receive().await? > 0, "the body is truncated inside a chunk");
        }
        let chunk: Vec<u8> = self.received.drain(..size).collect();
        ensure!(self.received.drain(..2).eq(*b"\r\n"), "a chunk does not end where it should");
        if size == 0 {
            self.framing = Framing::Done;
            return Ok(None);
        }
        Ok(Some(chunk))
    }

    /// Reads up to `end`, which is taken off.
    async fn read_to(&mut self, end: &[u8]) -> Result<Vec<u8>> {
        loop {
            if let Some(at) = self.received.windows(end.len()).position(|window| window == end) {
                let found = self.received.drain(..at + end.len()).take(at).collect();
                return Ok(found);
            }
            if self.receive().await? == 0 {
                bail!("the server closed the connection after {:?}", String::from_utf8_lossy(&self.received));
            }
        }
    }

    async fn receive(&mut self) -> Result<usize> {
        Ok(self.stream.read_buf(&mut self.received).await?)
    }
}
