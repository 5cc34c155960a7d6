//! Which web pages may open a connection in a person's name.

use http::{HeaderMap, header};

/// The allowed origins. A request without `Origin` comes from a program and is not this check's business.
#[derive(Clone, Debug, Default)]
pub struct OriginPolicy {
    /// Origins such as `https://app.example`; `*` allows any.
    pub allowed: Vec<String>,
    /// Also any page served from this machine, whatever its port.
    pub allow_loopback: bool,
}

impl OriginPolicy {
    /// True without `Origin`, for the server's own pages and for those that the operator named.
    pub fn allows(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        if self.allowed.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin)) {
            return true;
        }
        let Ok(url) = url::Url::parse(origin) else { return false };
        let authority = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => return false,
        };
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let is_loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        host.is_some_and(|host| host.eq_ignore_ascii_case(&authority)) || (self.allow_loopback && is_loopback)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_named_and_local_pages_may_connect_and_no_others() {
        let policy = OriginPolicy { allowed: vec!["https://app.example".into()], allow_loopback: false };
        let headers = |origin: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "chat.example:8787".parse().unwrap());
            headers.insert(header::ORIGIN, origin.parse().unwrap());
            headers
        };
        assert!(policy.allows(&HeaderMap::new()));
        assert!(policy.allows(&headers("https://app.example")));
        assert!(policy.allows(&headers("http://chat.example:8787")));
        for foreign in
            ["https://evil.example", "null", "http://chat.example", "http://localhost:5173", "https://app.example.evil"]
        {
            assert!(!policy.allows(&headers(foreign)), "{foreign}");
        }
        assert!(OriginPolicy { allow_loopback: true, ..policy }.allows(&headers("http://localhost:5173")));
    }
}
