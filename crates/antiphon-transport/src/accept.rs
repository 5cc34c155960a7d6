//! The listener: one HTTP/1.1 connection a socket, with bounds against slow and too many clients.

use crate::proxy::TrustedProxies;
use antiphon_core::limits::{MAX_CONNECTIONS, REQUEST_HEAD_TIMEOUT, SILENT_CLIENT};
use axum::Router;
use axum::extract::ConnectInfo;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// The largest request head.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// How long open requests may take to end once the server leaves.
const CLOSING: Duration = Duration::from_secs(3);

/// Serves until `shutdown` is cancelled; then takes no connection, lets open requests end for a moment and returns.
/// Requests that come through one of the `proxies` count as their client's.
pub async fn serve(listener: TcpListener, router: Router, proxies: TrustedProxies, shutdown: CancellationToken) {
    let proxies = Arc::new(proxies);
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => match slots.clone().try_acquire_owned() {
                Ok(slot) => {
                    let connection =
                        serve_connection((stream, address), router.clone(), proxies.clone(), shutdown.clone());
                    connections.spawn(async move {
                        connection.await;
                        drop(slot);
                    });
                }
                // Closed at once: a client that is let in but never served would be told nothing either.
                Err(_) => tracing::warn!(limit = MAX_CONNECTIONS, "too many connections: one was refused"),
            },
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                // Out of file descriptors, as a rule: existing connections must end before another try helps.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    connections.close();
    let _ = tokio::time::timeout(CLOSING, connections.wait()).await;
}

async fn serve_connection(
    (stream, address): (TcpStream, SocketAddr),
    router: Router,
    proxies: Arc<TrustedProxies>,
    shutdown: CancellationToken,
) {
    // A frame must not wait for the acknowledgement of the one before it.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router.map_request(move |mut request: http::Request<_>| {
        let client = proxies.client(address, request.headers());
        request.extensions_mut().insert(ConnectInfo(client));
        request
    }));
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(REQUEST_HEAD_TIMEOUT).max_buf_size(MAX_HEAD_BYTES);
    let connection = http.serve_connection(TokioIo::new(Unstalled::new(stream)), service).with_upgrades();
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, %address, "a connection ended");
    }
}

/// A socket whose writes fail when the peer has taken nothing for as long as a silent client is borne.
pub struct Unstalled {
    socket: TcpStream,
    stalled: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Unstalled {
    fn new(socket: TcpStream) -> Self {
        Self { socket, stalled: None }
    }

    /// The socket itself, after an upgrade.
    pub fn into_inner(self) -> TcpStream {
        self.socket
    }

    fn watch<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(SILENT_CLIENT)));
        match stalled.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Unstalled {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for Unstalled {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
