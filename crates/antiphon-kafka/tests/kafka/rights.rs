//! Gives rights, as `kafka-acls.sh --add` does: <https://kafka.apache.org/protocol#The_Messages_CreateAcls>.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a right is for.
#[derive(Clone, Copy, Debug)]
pub enum Resource<'a> {
    Topic(&'a str),
    Group(&'a str),
}

/// What may be done with it, by its number in the protocol.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub enum Operation {
    Read = 3,
    Write = 4,
    Create = 5,
    DescribeConfigs = 10,
}

const CREATE_ACLS: i16 = 30;
/// The last one without compact encodings.
const VERSION: i16 = 1;
const LITERAL: u8 = 3;
const ALLOW: u8 = 3;

/// Lets the user do this with it, by a listener where everybody may give rights.
pub async fn allow(brokers: &str, username: &str, resource: Resource<'_>, operations: &[Operation]) {
    let (kind, name) = match resource {
        Resource::Topic(name) => (2, name),
        Resource::Group(name) => (3, name),
    };
    let mut request = Vec::new();
    request.extend(CREATE_ACLS.to_be_bytes());
    request.extend(VERSION.to_be_bytes());
    request.extend(1_i32.to_be_bytes());
    put(&mut request, "antiphon-test");
    request.extend(i32::try_from(operations.len()).unwrap().to_be_bytes());
    for operation in operations {
        request.push(kind);
        put(&mut request, name);
        request.push(LITERAL);
        put(&mut request, &format!("User:{username}"));
        put(&mut request, "*");
        request.extend([*operation as u8, ALLOW]);
    }
    let mut socket = TcpStream::connect(brokers.split(',').next().unwrap()).await.unwrap();
    socket.write_all(&i32::try_from(request.len()).unwrap().to_be_bytes()).await.unwrap();
    socket.write_all(&request).await.unwrap();
    let length = socket.read_i32().await.unwrap();
    let mut answer = vec![0; usize::try_from(length).unwrap()];
    socket.read_exact(&mut answer).await.unwrap();
    // The request's number, the throttle, the count; then for each an error's number and no message.
    assert!(answer[12..].chunks(4).all(|result| result[..2] == [0, 0]), "{answer:?}");
}

fn put(request: &mut Vec<u8>, text: &str) {
    request.extend(i16::try_from(text.len()).unwrap().to_be_bytes());
    request.extend(text.as_bytes());
}
