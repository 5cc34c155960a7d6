//! Stands between a process and Kafka, and holds back what either says. As brokers tell clients where they are, the port in
//! what they say is replaced by this one's.

use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Passing {
    /// Everything.
    Both,
    /// Nothing.
    Neither,
    /// What the process says, but no answer.
    Requests,
}

pub struct Between {
    pub address: String,
    passing: Arc<watch::Sender<Passing>>,
    task: tokio::task::JoinHandle<()>,
}

impl Between {
    /// `broker` is one `127.0.0.1:port`.
    pub async fn start(broker: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let passing = Arc::new(watch::Sender::new(Passing::Both));
        let (broker, state) = (broker.to_owned(), passing.clone());
        let task = tokio::spawn(async move {
            let theirs = broker.rsplit(':').next().unwrap().parse::<u16>().unwrap();
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let Ok(far) = TcpStream::connect(&broker).await else { continue };
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                tokio::spawn(pass(near_in, far_out, state.subscribe(), None));
                tokio::spawn(pass(far_in, near_out, state.subscribe(), Some((said(theirs), said(port)))));
            }
        });
        Self { address: format!("127.0.0.1:{port}"), passing, task }
    }

    pub fn let_pass(&self, passing: Passing) {
        self.passing.send_replace(passing);
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        self.task.abort();
        self.passing.send_replace(Passing::Both);
    }
}

/// How a broker's address stands in metadata: the host, and the port in four bytes.
fn said(port: u16) -> Vec<u8> {
    [b"127.0.0.1", u32::from(port).to_be_bytes().as_slice()].concat()
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut passing: watch::Receiver<Passing>,
    replaced: Option<(Vec<u8>, Vec<u8>)>,
) {
    let is_answer = replaced.is_some();
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let passes = |passing: &Passing| match passing {
            Passing::Both => true,
            Passing::Neither => false,
            Passing::Requests => !is_answer,
        };
        if passing.wait_for(passes).await.is_err() {
            return;
        }
        let bytes = &mut buffer[..count];
        if let Some((theirs, ours)) = &replaced {
            let places: Vec<usize> =
                bytes.windows(theirs.len()).enumerate().filter(|(_, it)| it == theirs).map(|(at, _)| at).collect();
            for at in places {
                bytes[at..at + ours.len()].copy_from_slice(ours);
            }
        }
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}
