//! Redis, from Debian.

use std::fs;
use std::path::Path;

use super::Kind;
use super::process::{Plan, Server, tethered};
use super::supervise::Planned;
use crate::{debian, steps};

const PROGRAM: &str = "redis-server";

/// Installs it where there is none.
pub fn install() -> Result<(), String> {
    if steps::answers(PROGRAM, &["--version"]) { Ok(()) } else { debian::install(PROGRAM) }
}

/// One that syncs each write before it answers, as what is tested is what survives.
pub fn plan(planned: &mut Planned, folder: &Path) -> Result<(), String> {
    let folder = folder.join("redis");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let port = planned.port()?;
    let mut command = tethered(Path::new(PROGRAM), "KILL", &[]);
    command.current_dir(&folder).args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
    command.args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""]);
    let ready = "Ready to accept connections";
    let plan = Plan { name: "Redis".to_owned(), folder, first: None, command, ready, signal: None };
    planned.servers.push(Server::new(plan));
    planned.variables.push((Kind::Redis.variable().to_owned(), format!("redis://127.0.0.1:{port}")));
    Ok(())
}
