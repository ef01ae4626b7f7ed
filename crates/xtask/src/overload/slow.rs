//! Clients that are slow, and lines that are slow but honest.

use std::{io, time::Duration};

use anyhow::{Result, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{MissedTickBehavior, interval, sleep},
};

use super::servers::{BUSY_USERS, LINE_KEYS, SLOW_USERS};
use crate::traffic::{
    request::{plain, put},
    world::{Kind, NEW, session_data},
};

/// Bytes a second of a phone on a bad line, and of a client that only keeps the worker busy.
const HONEST_RATE: usize = 20_000;
const SLOW_RATE: usize = 1000;

/// How often something is read or sent.
const TICK: Duration = Duration::from_millis(100);
const TICKS: usize = 10;

/// What the kernel keeps for us, so that what we don't read is soon felt at the other end.
const RECEIVE_BUFFER: u32 = 8 * 1024;

/// Opens a connection, says nothing, and waits for its end.
pub(super) async fn say_nothing(port: u16) -> Result<()> {
    let mut stream = connect(port).await?;
    let mut answer = Vec::new();
    // An end by force is an end as well.
    let _ = stream.read_to_end(&mut answer).await;
    ensure!(answer.is_empty(), "an answer to nothing");
    Ok(())
}

/// Sends a byte of a body each second, until the server has enough.
pub(super) async fn send_slowly(port: u16, number: usize) -> Result<()> {
    let mut stream = connect(port).await?;
    let request = put(&Kind::Slow.token(number % SLOW_USERS), NEW, 100, 0, &session_data());
    let head = request.windows(4).position(|end| end == b"\r\n\r\n").map_or(0, |at| at + 4);
    stream.write_all(&request[..head]).await?;
    let (mut answer, mut bytes) = (Vec::new(), request[head..].chunks(1));
    loop {
        tokio::select! {
            read = stream.read_buf(&mut answer) => if !matches!(read, Ok(1..)) { break },
            () = sleep(Duration::from_secs(1)) => {
                let _ = stream.write_all(bytes.next().unwrap_or_default()).await;
            }
        }
    }
    ensure!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408 "), "a slow body: {}", head_of(&answer));
    Ok(())
}

/// Asks for a restore and reads it slowly, until it breaks off.
pub(super) async fn read_slowly(port: u16, number: usize) -> Result<()> {
    let answer = restore(port, &Kind::Slow.token(number % SLOW_USERS), SLOW_RATE).await?;
    let head = head_of(&answer);
    let is_refused = (head.starts_with("HTTP/1.1 503 ") || head.starts_with("HTTP/1.1 429 "))
        && head.to_ascii_lowercase().contains("\r\nretry-after: ");
    let is_cut = head.is_empty() || (head.starts_with("HTTP/1.1 200 ") && !is_whole(&answer));
    ensure!(is_refused || is_cut, "a slow reader: {head}");
    Ok(())
}

/// Restores over a slow line, and says how many bytes came.
pub(super) async fn restore_over_a_line(port: u16) -> Result<usize> {
    let answer = restore(port, &Kind::Reader.token(LINE_KEYS), HONEST_RATE).await?;
    let head = head_of(&answer);
    ensure!(head.starts_with("HTTP/1.1 200 ") && is_whole(&answer), "the restore over a slow line: {head}");
    Ok(answer.len())
}

/// Uploads over a slow line, and says how many bytes it sent.
pub(super) async fn upload_over_a_line(port: u16) -> Result<usize> {
    let mut stream = connect(port).await?;
    let request = put(&Kind::Uploader.token(BUSY_USERS), NEW, LINE_KEYS, 0, &session_data());
    let mut ticks = ticks();
    for piece in request.chunks(HONEST_RATE / TICKS) {
        ticks.tick().await;
        stream.write_all(piece).await?;
    }
    let mut answer = Vec::new();
    stream.read_buf(&mut answer).await?;
    ensure!(answer.starts_with(b"HTTP/1.1 200 "), "the upload over a slow line: {}", head_of(&answer));
    Ok(request.len())
}

async fn connect(port: u16) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.connect(([127, 0, 0, 1], port).into()).await
}

/// All that comes of a restore that is read at that many bytes a second.
async fn restore(port: u16, token: &str, rate: usize) -> Result<Vec<u8>> {
    let mut stream = connect(port).await?;
    stream.write_all(&plain("GET", token, "/keys?version=1")).await?;
    let (mut answer, mut ticks) = (Vec::new(), ticks());
    loop {
        ticks.tick().await;
        let mut piece = vec![0; rate / TICKS];
        let mut filled = 0;
        while filled < piece.len() && !is_whole(&answer) {
            let Ok(read @ 1..) = stream.read(&mut piece[filled..]).await else { return Ok(answer) };
            answer.extend_from_slice(&piece[filled..filled + read]);
            filled += read;
        }
        if is_whole(&answer) {
            return Ok(answer);
        }
    }
}

/// A tick that comes late puts off those after it: a line that has paused is not faster than others afterwards.
fn ticks() -> tokio::time::Interval {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Status line and headers, as far as they have come.
fn head_of(answer: &[u8]) -> String {
    let end = answer.windows(4).position(|end| end == b"\r\n\r\n").unwrap_or(answer.len());
    String::from_utf8_lossy(&answer[..end]).into_owned()
}

/// Whether an answer has come to its proper end. A backup holds no line breaks.
fn is_whole(answer: &[u8]) -> bool {
    let head = head_of(answer).to_ascii_lowercase();
    let body = answer.len().saturating_sub(head.len() + 4);
    match head.split_once("\r\ncontent-length: ") {
        Some((_, rest)) => rest.lines().next().and_then(|length| length.parse().ok()) == Some(body),
        None => answer.ends_with(b"\r\n0\r\n\r\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_all_of_its_length_or_its_last_chunk_has_come() {
        let counted = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\n\r\n{}";
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
        for answer in [&counted[..], &chunked[..]] {
            let whole: Vec<_> = (0..=answer.len()).filter(|end| is_whole(&answer[..*end])).collect();
            assert_eq!(whole, [answer.len()]);
        }
    }
}
