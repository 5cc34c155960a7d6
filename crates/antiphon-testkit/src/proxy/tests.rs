//! Each state of a link, seen from its two ends.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use super::*;

/// A proxy before something that sends back what it gets.
async fn echo() -> (Proxy, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap().to_string();
    let task = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            connections.spawn(async move {
                let (mut reader, mut writer) = socket.split();
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
            });
        }
    });
    (Proxy::start(&target).await.unwrap(), task)
}

async fn told(socket: &mut TcpStream, text: &str) -> io::Result<String> {
    socket.write_all(text.as_bytes()).await?;
    let mut back = vec![0; text.len()];
    socket.read_exact(&mut back).await?;
    Ok(String::from_utf8_lossy(&back).into_owned())
}

#[tokio::test]
async fn a_cut_closes_what_is_there_and_what_comes_until_it_heals() {
    let (proxy, _echo) = echo().await;
    let mut socket = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(told(&mut socket, "one").await.unwrap(), "one");
    proxy.set(Link::Cut);
    let mut byte = [0];
    assert!(!matches!(socket.read(&mut byte).await, Ok(1..)));
    let mut second = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(!matches!(second.read(&mut byte).await, Ok(1..)));
    proxy.heal();
    let mut third = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(told(&mut third, "two").await.unwrap(), "two");
}

#[tokio::test]
async fn a_pause_loses_nothing() {
    let (proxy, _echo) = echo().await;
    let mut socket = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(told(&mut socket, "one").await.unwrap(), "one");
    proxy.set(Link::Paused);
    let waited = tokio::time::timeout(Duration::from_millis(100), told(&mut socket, "two")).await;
    assert!(waited.is_err(), "no byte passes");
    proxy.heal();
    let mut back = [0; 3];
    socket.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"two");
}

#[tokio::test]
async fn delays_and_throttles_take_their_time_and_keep_the_order() {
    let (proxy, _echo) = echo().await;
    let mut socket = TcpStream::connect(proxy.address()).await.unwrap();
    let delay = Duration::from_millis(50);
    for link in [Link::Delayed { delay, jitter: delay }, Link::Throttled { bytes_per_second: 100 }] {
        proxy.set(link);
        let began = Instant::now();
        assert_eq!(told(&mut socket, "0123456789").await.unwrap(), "0123456789");
        assert!(began.elapsed() >= delay * 2, "there and back: {link:?}");
    }
}
