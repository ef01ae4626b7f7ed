//! The load: connections that send prepared requests one after another, and time each answer.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::LocalSet,
};

/// Makes the bytes of one request out of the number of the connection and of the request on it; `None` when there is nothing
/// left to do.
pub(super) type MakeRequest = Rc<dyn Fn(usize, usize) -> Option<Vec<u8>>>;

/// What a round of load has measured.
#[derive(Debug, Default, Clone)]
pub(super) struct Round {
    /// Time of each request, sorted.
    pub(super) latencies: Vec<Duration>,
    /// Time to the first byte of each body, sorted.
    pub(super) first_bytes: Vec<Duration>,
    /// Bytes of bodies.
    pub(super) bytes: u64,
    /// Of the whole round.
    pub(super) time: Duration,
}

impl Round {
    /// Requests per second.
    pub(super) fn throughput(&self) -> f64 {
        self.requests() / self.time.as_secs_f64()
    }

    pub(super) fn requests(&self) -> f64 {
        f64::from(u32::try_from(self.latencies.len()).unwrap_or(u32::MAX))
    }
}

/// The value below which that share of sorted values lies.
pub(super) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted
        .get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

/// Puts load on a server until the time is over, and at least one request on each connection. Every answer has to be a 200.
pub(super) async fn run(port: u16, connections: usize, time: Duration, make: MakeRequest) -> Result<Round> {
    let started = Instant::now();
    let local = LocalSet::new();
    let tasks: Vec<_> = (0..connections)
        .map(|number| local.spawn_local(connection(port, number, started + time, Rc::clone(&make))))
        .collect();
    let rounds = local.run_until(async {
        let mut rounds = Vec::new();
        for task in tasks {
            rounds.push(task.await.context("a connection of the load panicked")??);
        }
        anyhow::Ok(rounds)
    });
    let mut sum = Round::default();
    for round in rounds.await? {
        sum.latencies.extend(round.latencies);
        sum.first_bytes.extend(round.first_bytes);
        sum.bytes += round.bytes;
    }
    sum.time = started.elapsed();
    sum.latencies.sort_unstable();
    sum.first_bytes.sort_unstable();
    Ok(sum)
}

async fn connection(port: u16, number: usize, end: Instant, make: MakeRequest) -> Result<Round> {
    let mut client = Client::connect(port).await?;
    let mut round = Round::default();
    for request in 0.. {
        if Instant::now() >= end && request > 0 {
            break;
        }
        let Some(bytes) = make(number, request) else { break };
        let answer = client.request(&bytes).await?;
        round.latencies.push(answer.time);
        round.first_bytes.push(answer.first_byte);
        round.bytes += answer.length;
    }
    Ok(round)
}

/// One connection. Reads answers without keeping them: it must not be what limits the load.
pub(super) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
    used: usize,
}

/// One answer: when the first and the last byte of its body came, and how long the body was.
pub(super) struct Answer {
    first_byte: Duration,
    time: Duration,
    length: u64,
}

impl Client {
    pub(super) async fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 256 * 1024], filled: 0, used: 0 })
    }

    /// Sends a request and reads its answer, which has to be a 200.
    pub(super) async fn request(&mut self, bytes: &[u8]) -> Result<Answer> {
        let started = Instant::now();
        self.stream.write_all(bytes).await?;
        let head = self.head().await?;
        ensure!(head.starts_with("HTTP/1.1 200"), "not a 200: {}", head.lines().next().unwrap_or_default());
        let field = |name: &str| head.lines().find_map(|line| value(line, name));
        let length = field("content-length").map(str::parse).transpose()?;
        let (first_byte, length) = if let Some(length) = length {
            (self.first_byte(started, length).await?, self.skip(length).await?)
        } else {
            let is_chunked = field("transfer-encoding").is_some_and(|coding| coding == "chunked");
            ensure!(is_chunked, "no length and no chunks");
            self.chunks(started).await?
        };
        Ok(Answer { first_byte, time: started.elapsed(), length })
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
