//! Whether other processes reach this one, and whether they have a place for rooms in common.

use crate::config::Settings;
use antiphon_cli::{EngineFinding, EngineReport};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, lookup_host};

/// How long a connection to this very process may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Looks at `[cluster]` and `[records]`, from this machine: what others see of it is known in part only.
pub async fn check(settings: &Settings) -> EngineReport {
    let mut findings = Vec::new();
    findings.extend(records(settings));
    let listener = match settings.cluster_address() {
        Ok(address) => match TcpListener::bind(address).await {
            Ok(listener) => Some(listener),
            Err(error) => {
                findings.push(unbound(address, &error));
                None
            }
        },
        Err(problem) => {
            findings.push(bad(problem.to_string(), "write it as ADDRESS:PORT"));
            None
        }
    };
    if let Some(advertise) = &settings.cluster.advertise {
        findings.extend(advertised(advertise, listener.as_ref(), settings).await);
    }
    let is_good = findings.iter().all(|finding| !finding.is_bad);
    let told = settings.cluster.advertise.as_ref().unwrap_or(&settings.cluster.listen);
    let told = match told.strip_suffix(":0") {
        Some(host) => format!("other processes are told {host} and a port that is free at the start"),
        None => format!("other processes are told {told}"),
    };
    EngineReport { name: "cluster", server: is_good.then_some(told), findings }
}

fn records(settings: &Settings) -> Option<EngineFinding> {
    settings.records.url.is_none().then(|| EngineFinding {
        is_bad: false,
        what: format!(
            "records.url is missing: in topology `{}` each process would have rooms of its own, which works for one \
             process with all roles only",
            settings.topology()
        ),
        advice: Some("before there is a second process: a PostgreSQL, as in postgres://antiphon@HOST/antiphon".into()),
    })
}

fn unbound(address: SocketAddr, error: &io::Error) -> EngineFinding {
    match error.kind() {
        // A server that runs already has it.
        io::ErrorKind::AddrInUse => EngineFinding {
            is_bad: false,
            what: format!("cluster.listen: {address} is in use"),
            advice: Some(
                "that is well where this very process runs there already; otherwise choose another port".into(),
            ),
        },
        io::ErrorKind::AddrNotAvailable => bad(
            format!("cluster.listen: {address} is not an address of this machine"),
            "listen on one of its own, and tell others another by cluster.advertise where they need it",
        ),
        _ => bad(format!("cluster.listen: {address} cannot be listened on: {error}"), "choose another address or port"),
    }
}

/// Connects to what others are told, while somebody listens there.
async fn advertised(advertise: &str, listener: Option<&TcpListener>, settings: &Settings) -> Option<EngineFinding> {
    let addresses: Vec<SocketAddr> = match lookup_host(advertise).await {
        Ok(addresses) => addresses.collect(),
        Err(error) => {
            return Some(bad(
                format!("cluster.advertise: `{advertise}` leads to no address ({error})"),
                "write HOST:PORT, with a name that every process can resolve",
            ));
        }
    };
    if addresses.iter().any(|address| address.port() == 0 || address.ip().is_unspecified()) {
        return Some(bad(
            format!("cluster.advertise: nobody can connect to `{advertise}`"),
            "name an address and the port of cluster.listen, or the one that is mapped to it",
        ));
    }
    let is_beyond = settings.cluster_address().is_ok_and(|listen| !listen.ip().to_canonical().is_loopback());
    if is_beyond && addresses.iter().all(|address| address.ip().to_canonical().is_loopback()) {
        return Some(bad(
            format!("cluster.advertise: `{advertise}` leads every other machine to itself"),
            "name an address of this machine that the others reach",
        ));
    }
    let reached = tokio::time::timeout(PATIENCE, TcpStream::connect(addresses.as_slice())).await;
    let reason = match reached {
        Ok(Ok(_)) => return None,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
    };
    let meanwhile = if listener.is_some() { " while cluster.listen was listened on" } else { "" };
    // A port mapping may be reachable from elsewhere only.
    Some(EngineFinding {
        is_bad: false,
        what: format!("cluster.advertise: `{advertise}` was not reached from here{meanwhile}: {reason}"),
        advice: Some(
            "check address, port and firewall from another process's machine, as in `nc -vz HOST PORT`".into(),
        ),
    })
}

fn bad(what: String, advice: &str) -> EngineFinding {
    EngineFinding { is_bad: true, what, advice: Some(advice.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Topology;

    fn settings(listen: &str, advertise: Option<&str>) -> Settings {
        let mut settings = Settings { topology: Some(Topology::Grpc), ..Settings::default() };
        settings.records.url = Some(crate::config::Secret::Text("postgres://x".into()));
        settings.cluster.listen = listen.into();
        settings.cluster.advertise = advertise.map(str::to_owned);
        settings
    }

    /// What is said, with whether it is bad.
    async fn said(settings: &Settings) -> Vec<(bool, String)> {
        check(settings).await.findings.into_iter().map(|finding| (finding.is_bad, finding.what)).collect()
    }

    #[tokio::test]
    async fn an_address_that_leads_here_is_good() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = taken.local_addr().unwrap().to_string();
        assert_eq!(said(&settings("127.0.0.1:0", None)).await, []);
        assert_eq!(said(&settings("127.0.0.1:0", Some(&there))).await, []);
        let found = said(&settings(&there, Some(&there))).await;
        assert!(matches!(found.as_slice(), [(false, what)] if what.contains("in use")), "{found:?}");
        drop(taken);
        assert_eq!(said(&settings(&there, Some(&there))).await, []);
    }

    #[tokio::test]
    async fn what_others_cannot_use_is_told_apart() {
        for (listen, advertise, bad, word) in [
            // TEST-NET-1 of RFC 5737 is nobody's.
            ("192.0.2.1:1", None, true, "not an address of this machine"),
            ("127.0.0.1:0", Some("127.0.0.1:0"), true, "nobody can connect"),
            ("127.0.0.1:0", Some("no port"), true, "leads to no address"),
            ("0.0.0.0:0", Some("127.0.0.1:1"), true, "every other machine to itself"),
            ("127.0.0.1:0", Some("127.0.0.1:1"), false, "was not reached"),
        ] {
            let found = said(&settings(listen, advertise)).await;
            let [(is_bad, what)] = found.as_slice() else { panic!("{listen} {advertise:?}: {found:?}") };
            assert!(*is_bad == bad && what.contains(word), "{found:?}");
        }
    }

    #[tokio::test]
    async fn processes_without_records_in_common_are_warned_of() {
        let mut settings = settings("127.0.0.1:0", None);
        settings.records.url = None;
        let found = said(&settings).await;
        assert!(matches!(found.as_slice(), [(false, what)] if what.contains("records.url is missing")), "{found:?}");
    }
}
