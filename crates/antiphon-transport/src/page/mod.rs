//! The page that people talk on: the built files as the program carries them, each with what browsers need
//! to load it quickly and to run nothing else.

mod encoding;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use encoding::Encoding;

/// The file that every address of the page begins with.
const INDEX: &str = "index.html";
/// The addresses that the page itself makes sense of, in axum's notation.
const ADDRESSES: [&str; 2] = ["/", "/rooms/{room_id}"];
/// The folder whose files carry a hash of their content in their name, and so never change.
const HASHED: &str = "assets/";
/// What the page may do: run and load what this server sent, talk to this server, and be in nobody's frame
/// (<https://www.w3.org/TR/CSP3/>). `'self'` covers WebSocket to the same host and port.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// What `/` says where the program was built without the page.
const NO_PAGE: &str = "This server was built without its page. To have it, run `cargo xtask build` (or `cargo xtask demo`) \
    in the repository, which needs Node.js and npm, and start the server anew.\n\
    The calls work without it: `antiphon chat` talks in the terminal, and /openapi.json lists the calls.\n";

/// A file of the page.
#[derive(Clone, Copy, Debug)]
pub struct PageFile {
    /// Relative to the page's root, with `/` between its parts.
    pub path: &'static str,
    /// The file as it is.
    pub plain: &'static [u8],
    /// Compressed by gzip, where that is smaller.
    pub gzip: Option<&'static [u8]>,
    /// Compressed by Brotli, where that is smaller.
    pub brotli: Option<&'static [u8]>,
    /// Differs wherever the content does; of letters and digits.
    pub tag: &'static str,
}

/// The page's addresses and its files. Nothing here is counted against a caller's rate of requests, as nothing
/// here costs more than a copy.
pub fn router(files: &'static [PageFile]) -> Router {
    let mut router = Router::new();
    for address in ADDRESSES {
        router = match files.iter().find(|file| file.path == INDEX) {
            Some(index) => router.route(address, get(move |headers: HeaderMap| async move { answer(index, &headers) })),
            None => router.route(address, get(|| async { NO_PAGE })),
        };
    }
    for file in files.iter().filter(|file| file.path != INDEX) {
        let address = format!("/{}", file.path);
        router = router.route(&address, get(move |headers: HeaderMap| async move { answer(file, &headers) }));
    }
    router
}

fn answer(file: &'static PageFile, request: &HeaderMap) -> Response {
    let encoding = Encoding::choose(request, file);
    let tag = format!("\"{}{}\"", file.tag, encoding.suffix());
    let caching = if file.path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    match HeaderValue::from_str(&tag) {
        Ok(value) => drop(headers.insert(header::ETAG, value)),
        Err(error) => tracing::error!(path = file.path, %error, "a file of the page has a tag that is none"),
    }
    if is_known(request, &tag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(file.path)));
    if let Some(name) = encoding.name() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    (headers, encoding.bytes(file)).into_response()
}

/// Keeps other sites that open the page from reaching into its window.
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Whether the browser has this version (RFC 9110, section 13.1.2: compared weakly).
fn is_known(request: &HeaderMap, tag: &str) -> bool {
    let tags = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = tags.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// By the name's ending; what is not known is not guessed at.
fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
