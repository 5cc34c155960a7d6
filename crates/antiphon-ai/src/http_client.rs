//! The HTTP client that all providers share: one pool of connections for the process.

use antiphon_core::limits;

/// Makes the client. It sends each piece at once (`TCP_NODELAY`), asks for no compression, which would hold pieces
/// back, and follows no redirect, which could carry a key to another host.
pub fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    // An error only says that the process has chosen its cryptography already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(limits::PROVIDER_CONNECT_TIMEOUT)
        .user_agent(concat!("antiphon/", env!("CARGO_PKG_VERSION")))
        .build()
}
