//! What Synapse says over Redis, and what it is told.

use key_backup_testkit::services::RedisAddress;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Publishes a line on the channel of `example.com`, as Synapse does.
pub(crate) async fn publish(redis: RedisAddress, line: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", redis.port)).await.unwrap();
    stream.write_all(&command(&["PUBLISH", "example.com", line])).await.unwrap();
    let mut answer = [0; 64];
    let length = stream.read(&mut answer).await.unwrap();
    assert!(answer[..length].starts_with(b":"), "Redis counts those who hear it");
}

/// Hears the channel on which the worker tells who was seen.
pub(crate) struct UserIps(TcpStream);

impl UserIps {
    pub(crate) async fn subscribe(redis: RedisAddress) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", redis.port)).await.unwrap();
        stream.write_all(&command(&["SUBSCRIBE", "example.com/USER_IP"])).await.unwrap();
        let mut user_ips = Self(stream);
        assert!(user_ips.next().await.contains("subscribe"));
        user_ips
    }

    /// The next message, in Redis's framing.
    pub(crate) async fn next(&mut self) -> String {
        let mut bytes = vec![0; 4096];
        let length = self.0.read(&mut bytes).await.unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }
}

fn command(words: &[&str]) -> Vec<u8> {
    let parts: Vec<String> = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    format!("*{}\r\n{}", words.len(), parts.concat()).into_bytes()
}
