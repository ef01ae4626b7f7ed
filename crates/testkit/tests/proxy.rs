//! The proxy that breaks on command.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use anyhow::Result;
use key_backup_testkit::BreakableProxy;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// Long enough for loopback, short enough for a test that waits for nothing to happen.
const MOMENT: Duration = Duration::from_millis(200);

async fn echo_server() -> Result<std::net::SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    Ok(address)
}

async fn echoed(stream: &mut TcpStream, text: &str) -> Result<String> {
    stream.write_all(text.as_bytes()).await?;
    let mut buffer = vec![0; text.len()];
    stream.read_exact(&mut buffer).await?;
    Ok(String::from_utf8(buffer)?)
}

#[tokio::test]
async fn it_forwards_both_ways_and_passes_the_end_on() -> Result<()> {
    let proxy = BreakableProxy::start(echo_server().await?).await?;
    let mut stream = TcpStream::connect(proxy.address()).await?;
    assert_eq!(echoed(&mut stream, "hello").await?, "hello");
    stream.shutdown().await?;
    assert_eq!(timeout(MOMENT, stream.read_to_end(&mut Vec::new())).await??, 0);
    Ok(())
}

#[tokio::test]
async fn a_cut_breaks_connections_and_refuses_new_ones_until_it_heals() -> Result<()> {
    let mut proxy = BreakableProxy::start(echo_server().await?).await?;
    let mut stream = TcpStream::connect(proxy.address()).await?;
    assert_eq!(echoed(&mut stream, "hello").await?, "hello");
    proxy.cut().await;
    let broken = timeout(MOMENT, stream.read(&mut [0; 1])).await?;
    assert!(matches!(broken, Ok(0) | Err(_)), "{broken:?}");
    let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    proxy.heal().await?;
    let mut stream = TcpStream::connect(proxy.address()).await?;
    assert_eq!(echoed(&mut stream, "again").await?, "again");
    Ok(())
}

#[tokio::test]
async fn a_stall_holds_back_what_is_sent_until_it_heals() -> Result<()> {
    let mut proxy = BreakableProxy::start(echo_server().await?).await?;
    let mut old = TcpStream::connect(proxy.address()).await?;
    assert_eq!(echoed(&mut old, "hello").await?, "hello");
    proxy.stall();
    let mut new = TcpStream::connect(proxy.address()).await?;
    for stream in [&mut old, &mut new] {
        stream.write_all(b"held").await?;
        assert!(timeout(MOMENT, stream.read(&mut [0; 4])).await.is_err(), "forwarded while stalled");
    }
    proxy.heal().await?;
    for mut stream in [old, new] {
        let mut buffer = [0; 4];
        timeout(MOMENT, stream.read_exact(&mut buffer)).await??;
        assert_eq!(&buffer, b"held");
    }
    Ok(())
}

#[tokio::test]
async fn abandoned_connections_stay_dead_without_a_word_while_new_ones_work() -> Result<()> {
    let mut proxy = BreakableProxy::start(echo_server().await?).await?;
    let mut old = TcpStream::connect(proxy.address()).await?;
    assert_eq!(echoed(&mut old, "hello").await?, "hello");
    proxy.abandon();
    let mut new = TcpStream::connect(proxy.address()).await?;
    assert_eq!(echoed(&mut new, "again").await?, "again");
    old.write_all(b"lost").await?;
    assert!(timeout(MOMENT, old.read(&mut [0; 4])).await.is_err(), "not dead");
    Ok(())
}

#[tokio::test]
async fn what_is_slowed_down_arrives_later_until_it_heals() -> Result<()> {
    let mut proxy = BreakableProxy::start(echo_server().await?).await?;
    let mut stream = TcpStream::connect(proxy.address()).await?;
    let delay = 3 * MOMENT;
    proxy.slow(delay);
    let sent = Instant::now();
    assert_eq!(echoed(&mut stream, "there and back").await?, "there and back");
    assert!(sent.elapsed() >= 2 * delay, "{:?}", sent.elapsed());
    proxy.heal().await?;
    assert_eq!(timeout(delay, echoed(&mut stream, "again")).await??, "again");
    Ok(())
}
