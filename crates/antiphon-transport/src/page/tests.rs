//! The page as a browser gets it.

use super::*;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use tower::ServiceExt;

const FILES: &[PageFile] = &[
    PageFile { path: "index.html", plain: b"<!doctype html>", gzip: None, brotli: None, tag: "1" },
    PageFile {
        path: "assets/index-abc.js",
        plain: b"the script",
        gzip: Some(b"gzipped"),
        brotli: Some(b"brotlied"),
        tag: "2",
    },
    PageFile { path: "icon.svg", plain: b"<svg/>", gzip: None, brotli: None, tag: "3" },
];

/// The response's status, headers and body.
async fn ask(files: &'static [PageFile], method: Method, path: &str, headers: &[(&str, &str)]) -> (Response, String) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = router(files).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let body = String::from_utf8(to_bytes(body, 1_000_000).await.unwrap().to_vec()).unwrap();
    (Response::from_parts(head, Body::empty()), body)
}

fn header_of<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn the_page_is_at_its_addresses_and_at_no_other() {
    for path in ["/", "/?x=1", "/rooms/room-1"] {
        let (response, body) = ask(FILES, Method::GET, path, &[]).await;
        assert_eq!((response.status(), body.as_str()), (StatusCode::OK, "<!doctype html>"), "{path}");
        assert_eq!(header_of(&response, "content-type"), "text/html; charset=utf-8");
        assert_eq!(header_of(&response, "cache-control"), "no-cache");
        let policy = header_of(&response, "content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{policy}");
    }
    for path in
        ["/index.html", "/rooms", "/rooms/a/b", "/api", "/ws/x", "/assets", "/assets/other.js", "/../Cargo.toml"]
    {
        assert_eq!(ask(FILES, Method::GET, path, &[]).await.0.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(ask(FILES, Method::POST, "/", &[]).await.0.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn files_come_in_the_smallest_form_that_the_browser_takes() {
    for (accepted, encoding, body) in [
        ("gzip, deflate, br, zstd", "br", "brotlied"),
        ("gzip", "gzip", "gzipped"),
        ("GZIP;q=0.5", "gzip", "gzipped"),
        ("br;q=0, gzip;q=0.1", "gzip", "gzipped"),
        ("br; q=0.0, identity", "", "the script"),
        ("*", "", "the script"),
        ("brx", "", "the script"),
    ] {
        let (response, found) = ask(FILES, Method::GET, "/assets/index-abc.js", &[("accept-encoding", accepted)]).await;
        assert_eq!((header_of(&response, "content-encoding"), found.as_str()), (encoding, body), "{accepted}");
        assert_eq!(header_of(&response, "content-type"), "text/javascript; charset=utf-8");
        assert_eq!(header_of(&response, "cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(header_of(&response, "vary"), "accept-encoding");
    }
    let (response, _) = ask(FILES, Method::GET, "/icon.svg", &[("accept-encoding", "br")]).await;
    assert_eq!((header_of(&response, "content-encoding"), header_of(&response, "content-type")), ("", "image/svg+xml"));
}

#[tokio::test]
async fn what_a_browser_has_is_not_sent_again() {
    let path = "/assets/index-abc.js";
    let (response, _) = ask(FILES, Method::GET, path, &[("accept-encoding", "br")]).await;
    let tag = header_of(&response, "etag").to_owned();
    assert_eq!(tag, "\"2-br\"");
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        let headers = [("accept-encoding", "br"), ("if-none-match", known.as_str())];
        let (response, body) = ask(FILES, Method::GET, path, &headers).await;
        assert_eq!((response.status(), body.as_str()), (StatusCode::NOT_MODIFIED, ""), "{known}");
        assert_eq!(header_of(&response, "etag"), tag);
    }
    // The same file in another form is another thing to a cache.
    let (response, _) = ask(FILES, Method::GET, path, &[("if-none-match", &tag)]).await;
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn head_says_how_long_and_sends_nothing() {
    let (response, body) = ask(FILES, Method::HEAD, "/assets/index-abc.js", &[("accept-encoding", "gzip")]).await;
    assert_eq!((response.status(), body.as_str()), (StatusCode::OK, ""));
    assert_eq!((header_of(&response, "content-length"), header_of(&response, "content-encoding")), ("7", "gzip"));
}

#[tokio::test]
async fn without_a_page_the_address_says_how_to_get_one() {
    for path in ["/", "/rooms/room-1"] {
        let (response, body) = ask(&[], Method::GET, path, &[]).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(body.contains("cargo xtask build"), "{body}");
        assert!(header_of(&response, "content-type").starts_with("text/plain"));
    }
}
