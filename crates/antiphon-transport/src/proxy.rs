//! Who calls through a proxy: the address that the limits count, where the peer is a proxy that the operator trusts.
//!
//! `X-Forwarded-For` is a list that each proxy appends its own peer to; `Forwarded` is RFC 7239. Read from the right, the
//! first address that is no trusted proxy's is the client's: everything left of it is the client's own word.

use http::{HeaderMap, HeaderName};
use std::net::{IpAddr, SocketAddr};

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    /// How many leading bits count.
    bits: u8,
}

/// The proxies whose word on their peers is taken; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    /// Reads addresses and ranges such as `10.0.0.0/8`; the error says which one is neither.
    pub fn parse<'a>(ranges: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let read = |range: &str| {
            let wrong = || format!("`{range}` is not an address or a range, such as 127.0.0.1, 10.0.0.0/8 or fd00::/8");
            network(range).ok_or_else(wrong)
        };
        ranges.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The address that a request comes from. It is the peer's own where the peer is no trusted proxy, where it says
    /// nothing, or where the two headers contradict each other: one of them is then the client's, and nobody knows which.
    pub fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> SocketAddr {
        if !self.trusts(peer.ip()) {
            return peer;
        }
        let named = |name, hop: fn(&str) -> Option<IpAddr>| self.right_most(headers, &name, hop, peer.ip());
        let x_forwarded = named(HeaderName::from_static("x-forwarded-for"), address);
        let forwarded = named(HeaderName::from_static("forwarded"), forwarded_for);
        match (x_forwarded, forwarded) {
            (Some(one), Some(other)) if one != other => peer,
            (Some(found), _) | (None, Some(found)) => SocketAddr::new(found, 0),
            (None, None) => peer,
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.holds(address))
    }

    /// The first address from the right that is no trusted proxy's. A hop that cannot be read ends the search at the proxy
    /// that wrote it. None without the header.
    fn right_most(
        &self,
        headers: &HeaderMap,
        name: &HeaderName,
        hop: fn(&str) -> Option<IpAddr>,
        peer: IpAddr,
    ) -> Option<IpAddr> {
        let lines: Vec<&str> = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or_default()).collect();
        if lines.is_empty() {
            return None;
        }
        let mut nearest = peer;
        for text in lines.join(",").rsplit(',') {
            let Some(found) = hop(text.trim()) else { break };
            nearest = found;
            if !self.trusts(found) {
                break;
            }
        }
        Some(nearest)
    }
}

impl Network {
    fn holds(&self, address: IpAddr) -> bool {
        let differ = match (self.address, address.to_canonical()) {
            (IpAddr::V4(one), IpAddr::V4(other)) => u128::from(one.to_bits() ^ other.to_bits()) << 96,
            (IpAddr::V6(one), IpAddr::V6(other)) => one.to_bits() ^ other.to_bits(),
            _ => return false,
        };
        differ.leading_zeros() >= u32::from(self.bits)
    }
}

fn network(range: &str) -> Option<Network> {
    let (address, bits) = range.split_once('/').map_or((range, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(most), |bits| bits.parse().ok().filter(|bits| *bits <= most))?;
    Some(Network { address, bits })
}

/// An address with or without a port: `10.0.0.1`, `10.0.0.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

/// The `for` of one element of `Forwarded`, such as `for="[2001:db8::1]:80";proto=https`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.into_iter().find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    address(value.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &[&str], peer: &str, lines: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        let proxies = TrustedProxies::parse(trusted.iter().copied()).unwrap();
        proxies.client(SocketAddr::new(peer.parse().unwrap(), 4_711), &headers).ip().to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_and_only_what_it_has_seen() {
        let (x, f) = ("x-forwarded-for", "forwarded");
        let local = &["127.0.0.1", "10.0.0.0/8", "fd00::/8"][..];
        for (trusted, peer, lines, wanted) in [
            (&[][..], "127.0.0.1", &[(x, "203.0.113.9")][..], "127.0.0.1"),
            (local, "198.51.100.1", &[(x, "203.0.113.9")], "198.51.100.1"),
            (local, "127.0.0.1", &[], "127.0.0.1"),
            (local, "127.0.0.1", &[(x, "203.0.113.9")], "203.0.113.9"),
            (local, "::ffff:127.0.0.1", &[(x, "203.0.113.9")], "203.0.113.9"),
            (local, "127.0.0.1", &[(x, "1.1.1.1, 203.0.113.9, 10.1.2.3")], "203.0.113.9"),
            (local, "127.0.0.1", &[(x, "1.1.1.1"), (x, "203.0.113.9")], "203.0.113.9"),
            (local, "127.0.0.1", &[(x, "10.9.9.9, 10.1.2.3")], "10.9.9.9"),
            (local, "127.0.0.1", &[(x, "1.1.1.1, nonsense, 10.1.2.3")], "10.1.2.3"),
            (local, "127.0.0.1", &[(x, "")], "127.0.0.1"),
            (local, "127.0.0.1", &[(x, "203.0.113.9:8080")], "203.0.113.9"),
            (local, "fd00::1", &[(x, "[2001:db8::7]:443")], "2001:db8::7"),
            (local, "127.0.0.1", &[(f, "for=203.0.113.9;proto=https, for=\"[fd00::2]:80\"")], "203.0.113.9"),
            (local, "127.0.0.1", &[(f, "For=\"[2001:db8::7]\"")], "2001:db8::7"),
            (local, "127.0.0.1", &[(f, "for=unknown")], "127.0.0.1"),
            (local, "127.0.0.1", &[(x, "203.0.113.9"), (f, "for=203.0.113.9")], "203.0.113.9"),
            (local, "127.0.0.1", &[(x, "203.0.113.9"), (f, "for=1.1.1.1")], "127.0.0.1"),
        ] {
            assert_eq!(client(trusted, peer, lines), wanted, "{trusted:?} {peer} {lines:?}");
        }
        for wrong in ["", "proxy", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/"] {
            assert!(TrustedProxies::parse([wrong]).unwrap_err().contains("range"), "{wrong}");
        }
        assert_eq!(client(&["0.0.0.0/0"], "9.9.9.9", &[(x, "2001:db8::7")]), "2001:db8::7");
    }
}
