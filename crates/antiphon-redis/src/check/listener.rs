//! Who answers where no Redis does.

use crate::target::RedisTarget;
use redis::{ConnectionAddr, ConnectionInfo};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// A request of Kafka, ApiVersions 0 (<https://kafka.apache.org/protocol.html#protocol_messages>): its length, the call, the
/// version, a number that the answer repeats, and a client id. PostgreSQL takes it for a protocol that it does not speak.
const QUESTION: [u8; 16] = *b"\0\0\0\x0c\0\x12\0\0anti\0\x02me";

/// The kind of server at the first address; none where nobody answers, or not in a way that is known.
pub async fn who_answers(target: &RedisTarget) -> Option<&'static str> {
    let Some(ConnectionAddr::Tcp(host, port)) = target.servers.first().map(ConnectionInfo::addr) else { return None };
    let answer = async {
        let mut socket = TcpStream::connect((host.as_str(), *port)).await.ok()?;
        socket.write_all(&QUESTION).await.ok()?;
        let mut begin = [0; 8];
        socket.read_exact(&mut begin).await.ok()?;
        match &begin {
            [_, _, _, _, b'a', b'n', b't', b'i'] => Some("a Kafka"),
            [b'E', 0, 0, ..] => Some("a PostgreSQL"),
            [b'H', b'T', b'T', b'P', ..] => Some("a web server"),
            _ => None,
        }
    };
    tokio::time::timeout(PATIENCE, answer).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn who_says(answer: &'static [u8]) -> Option<&'static str> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = RedisTarget::parse(&format!("redis://{}", listener.local_addr().unwrap()), "").unwrap();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut question = [0; QUESTION.len()];
            socket.read_exact(&mut question).await.unwrap();
            socket.write_all(answer).await.unwrap();
        });
        who_answers(&target).await
    }

    #[tokio::test]
    async fn servers_that_are_no_redis_are_known_by_their_answer() {
        assert_eq!(who_says(b"\0\0\x01\x02anti\0\0").await, Some("a Kafka"));
        assert_eq!(who_says(b"E\0\0\0\x80SFATAL\0").await, Some("a PostgreSQL"));
        assert_eq!(who_says(b"HTTP/1.1 400 Bad Request\r\n").await, Some("a web server"));
        assert_eq!(who_says(b"-ERR unknown command\r\n").await, None);
        assert_eq!(who_says(b"").await, None);
    }
}
