//! The other side: a request as a stand-in for a server takes it.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// A request with a body of known length, byte for byte.
#[derive(Debug, Clone)]
pub struct Received {
    /// The request line and the headers, with the empty line behind them.
    pub head: String,
    /// The body; empty without `Content-Length`.
    pub body: Vec<u8>,
}

impl Received {
    /// Reads a request, and nothing beyond it.
    ///
    /// # Errors
    ///
    /// The connection ends before the request does, or its head is not UTF-8.
    pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8(head).map_err(io::Error::other)?;
        let length = head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut body).await?;
        Ok(Self { head, body })
    }
}
