//! Which of a file's forms a browser gets (RFC 9110, section 12.5.3).

use super::PageFile;
use axum::http::{HeaderMap, header};

/// A form of a file, the smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// RFC 7932.
    Brotli,
    /// RFC 1952.
    Gzip,
    /// As it is.
    Plain,
}

impl Encoding {
    /// The smallest that the file has and the request takes.
    pub fn choose(request: &HeaderMap, file: &PageFile) -> Self {
        if file.brotli.is_some() && takes(request, "br") {
            Self::Brotli
        } else if file.gzip.is_some() && takes(request, "gzip") {
            Self::Gzip
        } else {
            Self::Plain
        }
    }

    /// Its name in `Content-Encoding`.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
            Self::Plain => None,
        }
    }

    /// What tells its tag from those of the other forms, as each is a representation of its own.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => "-br",
            Self::Gzip => "-gzip",
            Self::Plain => "",
        }
    }

    /// The file's bytes in this form.
    pub fn bytes(self, file: &PageFile) -> &'static [u8] {
        let bytes = match self {
            Self::Brotli => file.brotli,
            Self::Gzip => file.gzip,
            Self::Plain => None,
        };
        bytes.unwrap_or(file.plain)
    }
}

/// Whether the request names the encoding and does not rule it out by a weight of 0. `*` alone is not enough:
/// no browser sends it, and a program that does may not unpack anything.
fn takes(request: &HeaderMap, name: &str) -> bool {
    let values = request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|named| named.eq_ignore_ascii_case(name));
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        is_named && weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0))
    })
}
