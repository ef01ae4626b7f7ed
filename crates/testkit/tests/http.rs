//! The HTTP client, against a server that answers given bytes.

use std::time::Duration;

use anyhow::Result;
use key_backup_testkit::http::{Address, Connection, Request};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// A connection whose server sends `answer`, piece by piece, and closes.
async fn answered(pieces: &'static [&'static str]) -> Result<Connection> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        for piece in pieces {
            stream.write_all(piece.as_bytes()).await?;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stream.shutdown().await?;
        // Closing with unread input would reset the connection and take the answer with it.
        stream.read_to_end(&mut Vec::new()).await
    });
    Connection::open(&Address::loopback(port)).await
}

fn get() -> Request {
    Request::new("GET", "/")
}

#[test]
fn a_request_goes_out_as_it_was_built() {
    let request = Request::new("PUT", "/a%2Fb?x=+").header("X-Odd", b"\xff").header("x-odd", "2").body("{}");
    let expected =
        b"PUT /a%2Fb?x=+ HTTP/1.1\r\nHost: example.com\r\nX-Odd: \xff\r\nx-odd: 2\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(request.to_bytes(), expected);
}

#[test]
fn a_chunked_request_says_so_and_ends_with_an_empty_chunk() {
    let bytes = Request::new("PUT", "/").http10().chunked(&[b"abc", b"0123456789abcdef"]).to_bytes();
    let expected = "PUT / HTTP/1.0\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n\
                    3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n";
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
}

#[tokio::test]
async fn headers_keep_their_order_and_repetitions() -> Result<()> {
    let mut connection = answered(&[
        "HTTP/1.1 200 All fine\r\nB: 1\r\na:2\r\nB:  3 \r\nContent-Le",
        "ngth: 4\r\n\r\nbo",
        "dy",
    ])
    .await?;
    let response = connection.request(&get()).await?;
    assert_eq!((response.status, response.head.reason.as_str()), (200, "All fine"));
    let headers: Vec<_> =
        response.head.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(headers, [("B", "1"), ("a", "2"), ("B", "3"), ("Content-Length", "4")]);
    assert_eq!((response.header("b"), response.text().as_str()), (Some("1"), "body"));
    Ok(())
}

#[tokio::test]
async fn two_answers_on_one_connection_are_told_apart() -> Result<()> {
    let mut connection = answered(&[
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1",
        "0\r\n0123456789abcdef\r\n0\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}",
    ])
    .await?;
    assert_eq!(connection.request(&get()).await?.text(), "abc0123456789abcdef");
    let second = connection.read_response().await?;
    assert_eq!((second.status, second.json()?), (404, serde_json::json!({})));
    assert!(connection.is_closed_within(Duration::from_secs(5)).await);
    Ok(())
}

#[tokio::test]
async fn the_chunks_of_a_body_can_be_read_one_by_one() -> Result<()> {
    let mut connection =
        answered(&["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"])
            .await?;
    connection.send(&get()).await?;
    assert_eq!(connection.read_head().await?.status, 200);
    assert_eq!(connection.read_part().await?.as_deref(), Some(b"abc".as_slice()));
    assert_eq!(connection.read_part().await?.as_deref(), Some(b"de".as_slice()));
    assert_eq!(connection.read_part().await?, None);
    Ok(())
}

#[tokio::test]
async fn a_body_without_a_length_ends_with_the_connection() -> Result<()> {
    let mut connection = answered(&["HTTP/1.0 200 OK\r\n\r\nall ", "of it"]).await?;
    assert_eq!(connection.request(&get()).await?.text(), "all of it");
    Ok(())
}

#[tokio::test]
async fn a_truncated_body_is_an_error() -> Result<()> {
    for pieces in [
        &["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"],
        &["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"],
        &["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"],
    ] {
        let error = answered(pieces).await?.request(&get()).await.unwrap_err();
        assert!(format!("{error:#}").contains("truncated"), "{error:#}");
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_that_cannot_have_a_body_has_none() -> Result<()> {
    let mut connection = answered(&[
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ])
    .await?;
    assert_eq!(connection.request(&Request::new("HEAD", "/")).await?.body, b"");
    assert_eq!(connection.request(&get()).await?.status, 204);
    assert_eq!(connection.request(&get()).await?.text(), "ok");
    Ok(())
}
