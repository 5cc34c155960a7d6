//! Who answers where no Kafka does.

use crate::options::KafkaTarget;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// A command of Redis (<https://redis.io/docs/latest/develop/reference/protocol-spec/#inline-commands>) and, with its empty
/// line, a request of HTTP.
const QUESTION: &[u8] = b"PING / HTTP/1.0\r\n\r\n";

/// The kind of server at the first address; none where nobody answers, or not in a way that is known.
pub async fn who_answers(target: &KafkaTarget) -> Option<&'static str> {
    let address = target.brokers.split(',').next()?.trim();
    let answer = async {
        let mut socket = TcpStream::connect(address).await.ok()?;
        socket.write_all(QUESTION).await.ok()?;
        let mut begin = [0; 5];
        socket.read_exact(&mut begin).await.ok()?;
        match &begin {
            b"HTTP/" => Some("a web server"),
            [b'+' | b'-', b'A'..=b'Z', ..] => Some("a Redis"),
            _ => None,
        }
    };
    tokio::time::timeout(PATIENCE, answer).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Security;
    use antiphon_core::Sharding;
    use tokio::net::TcpListener;

    async fn who_says(answer: &'static [u8]) -> Option<&'static str> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = KafkaTarget {
            brokers: format!("{}, other:9092", listener.local_addr().unwrap()),
            security: Security::default(),
            topic: "t".into(),
            replication_factor: 1,
            sharding: Sharding::ONE,
            retention: Duration::from_secs(1),
        };
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut question = vec![0; QUESTION.len()];
            socket.read_exact(&mut question).await.unwrap();
            socket.write_all(answer).await.unwrap();
        });
        who_answers(&target).await
    }

    #[tokio::test]
    async fn servers_that_are_no_kafka_are_known_by_their_answer() {
        assert_eq!(who_says(b"-NOAUTH Authentication required.\r\n").await, Some("a Redis"));
        assert_eq!(who_says(b"HTTP/1.1 400 Bad Request\r\n").await, Some("a web server"));
        assert_eq!(who_says(b"\0\0\0\0\0\0").await, None);
        assert_eq!(who_says(b"").await, None);
    }
}
