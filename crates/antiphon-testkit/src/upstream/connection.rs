//! One connection: requests in turn, each answered by its reply while the client's leaving is watched for.

use super::player::{self, Ending, Sent};
use super::{Shared, request};
use std::sync::Arc;
use std::time::Instant;
use tokio::io::AsyncRead;
use tokio::net::TcpStream;

/// Serves until either side closes.
pub(super) async fn serve(mut socket: TcpStream, number: usize, shared: Arc<Shared>) {
    if socket.set_nodelay(true).is_err() {
        return;
    }
    let mut buffer = Vec::new();
    let mut last = None;
    loop {
        let (mut reader, mut writer) = socket.split();
        let request = request::read(&mut reader, &mut buffer, number).await;
        let Ok(Some(request)) = request else {
            if let Some(index) = last {
                shared.update(index, |exchange| exchange.closed_at = Some(Instant::now()));
            }
            return;
        };
        let (index, reply) = shared.record(request);
        last = Some(index);
        let on_sent = |change: &dyn Fn(&mut Sent)| shared.update(index, |exchange| change(&mut exchange.sent));
        let ending = tokio::select! {
            biased;
            () = left(&mut reader, &mut buffer) => None,
            ending = player::play(&reply, &mut writer, &shared.released, on_sent) => Some(ending),
        };
        let now = Instant::now();
        let ending = ending.unwrap_or(Ending::Left);
        shared.update(index, |exchange| match ending {
            Ending::Left => exchange.closed_at = Some(now),
            _ => exchange.replied_at = Some(now),
        });
        match ending {
            Ending::KeepAlive => {}
            Ending::Reset => {
                // With no lingering the drop sends RST and throws away what has not been sent.
                let _ = socket.set_zero_linger();
                return;
            }
            Ending::Close | Ending::Left => return,
        }
    }
}

/// Ends when the client has closed its side. What it sends meanwhile is the beginning of its next request.
async fn left(reader: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) {
    while let Ok(true) = request::read_more(reader, buffer).await {}
}
