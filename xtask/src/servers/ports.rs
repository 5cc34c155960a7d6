//! Ports for servers that are stopped and started again while others try to reach them.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

/// Below the ports that systems give to outgoing connections (from 32768 on Linux, 49152 elsewhere): one of those could
/// be taken while its server is down, even by a client that, trying to reach the server, connects to itself.
const RANGE: Range<u16> = 20_000..32_000;

/// So many different ports of this machine that nobody listens on.
pub fn free(count: usize) -> Result<Vec<u16>, String> {
    let length = usize::from(RANGE.end - RANGE.start);
    // A place of its own for each run, so that two that start at once do not choose alike.
    let offset = RandomState::new().build_hasher().finish().to_le_bytes();
    let offset = usize::from(u16::from_le_bytes([offset[0], offset[1]]));
    let candidates = RANGE.cycle().skip(offset).take(length);
    // Held until all are found, so that none is found twice.
    let held: Vec<(u16, TcpListener)> = candidates
        .filter_map(|port| Some((port, TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?)))
        .take(count)
        .collect();
    if held.len() < count {
        return Err(format!("there are not {count} free ports between {} and {}", RANGE.start, RANGE.end));
    }
    Ok(held.into_iter().map(|(port, _)| port).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_different_and_none_of_those_of_clients() {
        let ports = free(40).unwrap();
        assert_eq!(ports.len(), 40);
        assert!(ports.iter().all(|port| RANGE.contains(port)));
        let mut different = ports.clone();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), 40);
    }

    #[test]
    fn a_port_in_use_is_not_offered() {
        let length = usize::from(RANGE.end - RANGE.start);
        assert!(free(length + 1).unwrap_err().contains("not 12001 free ports"));
    }
}
