//! The port: free, or who answers there and how they are.

use super::Report;
use crate::failure::Failure;
use crate::server::{CallError, Server, ServerArguments};
use serde_json::Value;
use std::io::{ErrorKind, Write};
use std::net::{TcpListener, ToSocketAddrs};
use url::Url;

pub(super) async fn check<W: Write>(url: &str, report: &mut Report<W>) -> Result<(), Failure> {
    let arguments = ServerArguments { url: url.to_owned(), token: None, api_key: None };
    let server = match Server::new(&arguments) {
        Ok(server) => server,
        Err(failure) => return report.bad(&failure.to_string(), "an address looks like http://127.0.0.1:8787"),
    };
    let name = server.name();
    match bind(url) {
        Bound::Free => {
            let start = "start one there with `antiphon serve`";
            report.good(&format!("port: {name} is free; no server runs there, {start}"))
        }
        Bound::Taken | Bound::Elsewhere => check_server(&server, report).await,
        Bound::Refused(reason) => report.bad(
            &format!("port: {name} cannot be listened on: {reason}"),
            "choose another with --listen, such as 127.0.0.1:8787; ports below 1024 need the right to them",
        ),
    }
}

enum Bound {
    Free,
    Taken,
    /// Not an address of this machine.
    Elsewhere,
    Refused(String),
}

fn bind(url: &str) -> Bound {
    let Ok(url) = Url::parse(url) else { return Bound::Elsewhere };
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else { return Bound::Elsewhere };
    // A proxy may stand there for the server; its port is not the server's to listen on.
    if url.scheme() != "http" {
        return Bound::Elsewhere;
    }
    let Ok(addresses) = (host.trim_matches(['[', ']']), port).to_socket_addrs() else { return Bound::Elsewhere };
    let addresses: Vec<_> = addresses.collect();
    match TcpListener::bind(addresses.as_slice()) {
        Ok(_) => Bound::Free,
        Err(error) => match error.kind() {
            ErrorKind::AddrInUse => Bound::Taken,
            ErrorKind::AddrNotAvailable => Bound::Elsewhere,
            _ => Bound::Refused(error.to_string()),
        },
    }
}

async fn check_server<W: Write>(server: &Server, report: &mut Report<W>) -> Result<(), Failure> {
    let name = server.name();
    let agents = match server.get::<Value>(&["api", "agents"], &[]).await {
        Ok(answer) => answer.get("agents").and_then(Value::as_array).cloned(),
        // A refusal with a code of the protocol is an Antiphon's too.
        Err(CallError::Refused { code, .. }) if code.parse::<u16>().is_err() => Some(Vec::new()),
        Err(error @ CallError::Unreachable(_)) => {
            return report.bad(
                &format!("server: {error}"),
                "start it with `antiphon serve`; is the address right, and does a firewall or proxy let it through?",
            );
        }
        Err(_) => None,
    };
    let Some(agents) = agents else {
        return report.bad(
            &format!("port: somebody who is not an Antiphon answers at {name}"),
            "stop that program, or choose another port with --listen and --url",
        );
    };
    let health = server.get::<Value>(&["health"], &[]).await;
    match &health {
        Ok(health) => {
            let version = health.get("version").and_then(Value::as_str).unwrap_or("unknown version");
            report.good(&format!("server: an Antiphon ({version}) answers at {name}"))?;
        }
        Err(error) => report.bad(&format!("server: it says it is not well: {error}"), "look at its log, on stderr")?,
    }
    match server.get::<Value>(&["ready"], &[]).await {
        Ok(_) => report.good("server: ready")?,
        Err(error) => report.bad(&format!("server: not ready: {error}"), "wait, or look at its log, on stderr")?,
    }
    for agent in &agents {
        let text = |key: &str| agent.get(key).and_then(Value::as_str).unwrap_or("?");
        let is = |key: &str| agent.get(key).and_then(Value::as_bool).unwrap_or(false);
        let what = if is("simulated") { "a script".to_owned() } else { format!("{} {}", text("kind"), text("model")) };
        let line = format!("agent {}: {what}", text("id"));
        if is("ready") {
            let speed = agent.get("tokensPerSecond").and_then(Value::as_f64);
            let speed = speed.map(|speed| format!(", {speed:.1} tokens a second")).unwrap_or_default();
            report.good(&format!("{line}, ready{speed}"))?;
        } else {
            report.warn(
                &format!("{line}, not ready"),
                "its weights may still load, or its provider's key be missing: see the server's log",
            )?;
        }
    }
    Ok(())
}
