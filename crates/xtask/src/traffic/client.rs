//! A connection of the load.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// One connection. Reads answers without keeping them: it must not be what limits the load.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
    used: usize,
}

/// One answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// It says when to come again.
    pub(crate) has_retry_after: bool,
    /// Until the first byte of its body came.
    pub(crate) first_byte: Duration,
    /// Until the last byte came.
    pub(crate) time: Duration,
    /// Of the body, in bytes.
    pub(crate) length: u64,
}

impl Answer {
    /// This answer, if it is a 200.
    pub(crate) fn ok(self) -> Result<Self> {
        ensure!(self.status == 200, "not a 200 but a {}", self.status);
        Ok(self)
    }
}

impl Client {
    /// Connects to a port on 127.0.0.1; reads so many bytes at once.
    pub(crate) async fn connect(port: u16, buffer: usize) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; buffer], filled: 0, used: 0 })
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn request(&mut self, bytes: &[u8]) -> Result<Answer> {
        let started = Instant::now();
        self.stream.write_all(bytes).await?;
        let head = self.head().await?;
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        let field = |name: &str| head.lines().find_map(|line| value(line, name));
        let length = field("content-length").map(str::parse).transpose()?;
        let (first_byte, length) = if let Some(length) = length {
            (self.first_byte(started, length).await?, self.skip(length).await?)
        } else {
            let is_chunked = field("transfer-encoding").is_some_and(|coding| coding == "chunked");
            ensure!(is_chunked, "no length and no chunks");
            self.chunks(started).await?
        };
        let has_retry_after = field("retry-after").is_some();
        Ok(Answer { status, has_retry_after, first_byte, time: started.elapsed(), length })
    }

    async fn first_byte(&mut self, started: Instant, length: u64) -> Result<Duration> {
        if length > 0 && self.used == self.filled {
            self.fill().await?;
        }
        Ok(started.elapsed())
    }

    async fn chunks(&mut self, started: Instant) -> Result<(Duration, u64)> {
        let (mut first, mut sum) = (None, 0);
        loop {
            let size = u64::from_str_radix(self.line().await?.trim(), 16)?;
            first.get_or_insert_with(|| started.elapsed());
            self.skip(size + 2).await?;
            if size == 0 {
                return Ok((first.unwrap_or_default(), sum));
            }
            sum += size;
        }
    }

    async fn head(&mut self) -> Result<String> {
        let mut block = String::new();
        loop {
            let line = self.line().await?;
            if line == "\r\n" {
                return Ok(block);
            }
            block.push_str(&line);
        }
    }

    async fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        loop {
            let rest = &self.buffer[self.used..self.filled];
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                line.extend_from_slice(&rest[..=end]);
                self.used += end + 1;
                return Ok(String::from_utf8(line)?);
            }
            line.extend_from_slice(rest);
            self.fill().await?;
        }
    }

    async fn skip(&mut self, bytes: u64) -> Result<u64> {
        let mut left = bytes;
        while left > 0 {
            if self.used == self.filled {
                self.fill().await?;
            }
            let here = left.min((self.filled - self.used) as u64);
            self.used += usize::try_from(here)?;
            left -= here;
        }
        Ok(bytes)
    }

    async fn fill(&mut self) -> Result<()> {
        self.used = 0;
        self.filled = self.stream.read(&mut self.buffer).await?;
        if self.filled == 0 {
            bail!("the server closed the connection in the middle of an answer");
        }
        Ok(())
    }
}

fn value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (field, value) = line.split_once(':')?;
    field.eq_ignore_ascii_case(name).then(|| value.trim())
}
