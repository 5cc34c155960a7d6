//! PostgreSQL, from Debian.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Kind;
use super::certificates::Certificates;
use super::process::{Plan, Server, tethered};
use super::supervise::Planned;
use crate::{debian, steps};

/// Where Debian puts each version's programs, in a folder of its own.
const VERSIONS: &str = "/usr/lib/postgresql";
/// Each test has a pool of its own, and they run side by side.
const CONNECTIONS: &str = "max_connections=300";

/// Installs it where there is none.
pub fn install() -> Result<(), String> {
    if programs().is_some() {
        return Ok(());
    }
    debian::install("postgresql")?;
    programs().map(drop).ok_or_else(|| format!("Debian's package left no PostgreSQL in {VERSIONS}"))
}

/// The folder of its programs: Debian's newest, or one in the path.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let mut folders: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    folders.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let folders = folders.into_iter().map(|(_, folder)| folder).chain(std::env::split_paths(&paths));
    folders.into_iter().find(|folder| ["initdb", "postgres"].iter().all(|program| folder.join(program).is_file()))
}

/// A cluster with one user, `postgres`, who may do everything and needs no password from this machine.
/// Connections are encrypted for whoever asks.
pub fn plan(planned: &mut Planned, folder: &Path, certificates: Option<&Certificates>) -> Result<(), String> {
    let programs = programs().ok_or("PostgreSQL is gone")?;
    let folder = folder.join("postgres");
    let data = folder.join("data");
    fs::create_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
    let person = Person::to_run_as()?;
    let options = match &person {
        Some(person) => person.take_over(&data)?,
        None => Vec::new(),
    };
    let encryption = match certificates {
        Some(certificates) => encryption(certificates, &folder, person.as_ref())?,
        None => Vec::new(),
    };
    let port = planned.port()?;
    let mut first = tethered(&programs.join("initdb"), "KILL", &options);
    first.current_dir(&folder).arg("-D").arg(&data).args(["-U", "postgres", "-A", "trust", "-E", "UTF8"]);
    first.args(["--locale=C", "--no-sync"]);
    // The signal that makes it end at once but take its shared memory with it.
    let mut command = tethered(&programs.join("postgres"), "QUIT", &options);
    command.current_dir(&folder).arg("-D").arg(&data).args(["-p", &port.to_string()]);
    command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", CONNECTIONS]);
    command.args(encryption.iter().flat_map(|setting| ["-c", setting]));
    let (name, ready) = (Kind::Postgres.name().to_owned(), "database system is ready to accept connections");
    let plan = Plan { name, folder, first: Some(first), command, ready, signal: Some("QUIT") };
    planned.servers.push(Server::new(plan));
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    planned.variables.push((Kind::Postgres.variable().to_owned(), url));
    Ok(())
}

/// The settings for connections with TLS. The key is a copy, as PostgreSQL takes none that others may read.
fn encryption(certificates: &Certificates, folder: &Path, person: Option<&Person>) -> Result<Vec<String>, String> {
    let mut settings = vec!["ssl=on".to_owned()];
    for (name, file) in ["ssl_cert_file", "ssl_key_file"].into_iter().zip(certificates.of_server()) {
        let copy = folder.join(name);
        let explained = |error: std::io::Error| format!("{}: {error}", copy.display());
        fs::copy(&file, &copy).map_err(explained)?;
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).map_err(explained)?;
        if let Some(person) = person {
            chown(&copy, Some(person.user), Some(person.group)).map_err(explained)?;
        }
        settings.push(format!("{name}={}", copy.display()));
    }
    Ok(settings)
}

/// A user of the system, as PostgreSQL refuses to run as root.
struct Person {
    user: u32,
    group: u32,
}

impl Person {
    /// None where this program is not run by root.
    fn to_run_as() -> Result<Option<Self>, String> {
        if number(&["-u"])? != 0 {
            return Ok(None);
        }
        let name = if steps::answers("id", &["postgres"]) { "postgres" } else { "nobody" };
        Ok(Some(Self { user: number(&["-u", name])?, group: number(&["-g", name])? }))
    }

    /// Makes the folder theirs, and says how to become them.
    fn take_over(&self, folder: &Path) -> Result<Vec<String>, String> {
        chown(folder, Some(self.user), Some(self.group)).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut options = vec![format!("--reuid={}", self.user), format!("--regid={}", self.group)];
        options.push("--clear-groups".to_owned());
        let arguments = options.iter().map(String::as_str).chain(["ls", folder.to_str().unwrap_or_default()]);
        if !steps::answers("setpriv", &arguments.collect::<Vec<_>>()) {
            // The folder lies in one that only root may enter, as in root's home: they may all the same.
            options.extend(["--inh-caps=+dac_override", "--ambient-caps=+dac_override"].map(str::to_owned));
        }
        Ok(options)
    }
}

fn number(arguments: &[&str]) -> Result<u32, String> {
    let said = steps::output_of("user", Command::new("id").args(arguments))?;
    said.trim().parse().map_err(|_| format!("`id` said `{}`", said.trim()))
}
