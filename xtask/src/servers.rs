//! `cargo xtask servers`, and what `cargo xtask test` starts: Kafka, Redis and PostgreSQL on ports and in folders of their
//! own. A second process of this program supervises them and stops them when this one ends, in whatever way.

mod certificates;
mod jars;
mod kafka;
mod ports;
mod postgres;
mod process;
mod redis;
mod supervise;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Instant;

use crate::steps;

pub use supervise::run as supervise;

/// The hidden command that supervises.
pub const SUPERVISE: &str = "supervise";
/// Tells tests that stop and start the servers where their folders are.
const FOLDER: &str = "ANTIPHON_TEST_SERVERS";
/// More brokers than anybody replicates to.
const MAX_BROKERS: u16 = 5;

/// A server that tests need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Apache Kafka.
    Kafka,
    /// Redis.
    Redis,
    /// PostgreSQL.
    Postgres,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Kafka, Self::Redis, Self::Postgres];

    const fn name(self) -> &'static str {
        match self {
            Self::Kafka => "Kafka",
            Self::Redis => "Redis",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// What tells the tests where it is.
    const fn variable(self) -> &'static str {
        match self {
            Self::Kafka => "ANTIPHON_TEST_KAFKA",
            Self::Redis => "ANTIPHON_TEST_REDIS",
            Self::Postgres => "ANTIPHON_TEST_POSTGRES",
        }
    }

    /// Installs what is not there; the error says why it cannot be had.
    fn install(self) -> Result<(), String> {
        match self {
            Self::Kafka => kafka::install(),
            Self::Redis => redis::install(),
            Self::Postgres => postgres::install(),
        }
    }

    /// Whether somebody has said where one is, which is then used.
    fn is_given(self) -> bool {
        std::env::var_os(self.variable()).is_some_and(|value| !value.is_empty())
    }
}

/// `cargo xtask servers`: starts all three, says where they are, and stays until it is stopped.
pub fn stay(arguments: &[String]) -> Result<(), String> {
    let brokers = parse(arguments)?;
    let mut servers = start(&Kind::ALL, brokers)?;
    for (name, value) in &servers.variables {
        println!("export {name}='{value}'");
    }
    for what in &servers.missing {
        println!("# NOT THERE: {what}");
    }
    println!("# Ctrl-C stops them, and removes what they hold.");
    let Some(supervisor) = servers.supervisor.as_mut() else { return Err("no server could be started".to_owned()) };
    let status = supervisor.child.wait().map_err(|error| format!("the supervisor: {error}"))?;
    Err(format!("the servers are gone ({status})"))
}

fn parse(arguments: &[String]) -> Result<u16, String> {
    let brokers = match arguments {
        [] => return Ok(1),
        [flag, count] if flag == "--brokers" => count.as_str(),
        [flag] => flag.strip_prefix("--brokers=").unwrap_or(""),
        _ => "",
    };
    let count = brokers.parse().ok().filter(|count| (1..=MAX_BROKERS).contains(count));
    count.ok_or_else(|| format!("`servers` takes nothing but --brokers N, N from 1 to {MAX_BROKERS}"))
}

/// Servers that run until this is dropped.
#[derive(Debug, Default)]
pub struct Servers {
    /// For the tests' environment.
    pub variables: Vec<(String, String)>,
    /// What could not be had, and why.
    pub missing: Vec<String>,
    /// For people: who runs, since when.
    pub note: String,
    supervisor: Option<Supervisor>,
}

/// Starts the servers that nobody has said the place of, one broker of Kafka.
pub fn start_needed() -> Result<Servers, String> {
    let (given, wanted): (Vec<Kind>, Vec<Kind>) = Kind::ALL.into_iter().partition(|kind| kind.is_given());
    for kind in given {
        println!("    {} is the one that {} names", kind.name(), kind.variable());
    }
    start(&wanted, 1)
}

/// Installs and starts them. One that cannot be had is named in the result; one that does not start is an error.
fn start(kinds: &[Kind], brokers: u16) -> Result<Servers, String> {
    let mut servers = Servers::default();
    if kinds.is_empty() {
        return Ok(servers);
    }
    let base = base();
    // Until they listen: two runs neither install at once nor choose the same ports.
    let _turn = turn(&base)?;
    let mut wanted = Vec::new();
    for kind in kinds {
        match kind.install() {
            Ok(()) => wanted.push(*kind),
            Err(reason) => {
                println!("    NO {}: {reason}", kind.name().to_uppercase());
                servers.missing.push(format!("what needs {}, which could not be had: {reason}", kind.name()));
            }
        }
    }
    if wanted.is_empty() {
        return Ok(servers);
    }
    if let Err(reason) = certificates::install() {
        println!("    NO CERTIFICATES: {reason}");
        servers.missing.push(format!("what needs certificates, which could not be had: {reason}"));
    }
    remove_stale(&base);
    let begun = Instant::now();
    let folder = base.join(format!("run-{}", std::process::id()));
    let (supervisor, variables) = Supervisor::start(&folder, &wanted, brokers)?;
    servers.supervisor = Some(supervisor);
    servers.variables = variables;
    servers.variables.push((FOLDER.to_owned(), folder.display().to_string()));
    let names = wanted.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
    servers.note = format!("{names} started in {:.1} s", begun.elapsed().as_secs_f64());
    println!("    {}, their logs in {}", servers.note, folder.display());
    Ok(servers)
}

/// Where jars are kept, and each run has its folder.
fn base() -> PathBuf {
    steps::root().join("target/servers")
}

/// Waits for its turn, which ends when the file is closed.
fn turn(base: &Path) -> Result<fs::File, String> {
    let explained = |error: std::io::Error| format!("{}: {error}", base.display());
    fs::create_dir_all(base).map_err(explained)?;
    let file = fs::File::create(base.join("turn")).map_err(explained)?;
    if file.try_lock().is_err() {
        println!("    waiting for another run that is starting servers");
        file.lock().map_err(explained)?;
    }
    Ok(file)
}

/// Removes the folders of runs that were killed. Who holds one also holds the lock in it.
fn remove_stale(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with("run-") {
            continue;
        }
        let lock = fs::File::open(entry.path().join(supervise::LOCK));
        if lock.is_err() || lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The process that the servers are children of.
#[derive(Debug)]
struct Supervisor {
    child: Child,
    /// Closed when this process ends, even by a signal: then the supervisor stops the servers.
    tie: Option<ChildStdin>,
}

impl Supervisor {
    /// Starts it and waits until all servers are ready; gives what they are reached by.
    fn start(folder: &Path, kinds: &[Kind], brokers: u16) -> Result<(Self, Vec<(String, String)>), String> {
        let this = std::env::current_exe().map_err(|error| format!("this program's own path: {error}"))?;
        let mut command = Command::new(this);
        command.arg(SUPERVISE).arg(folder).arg(brokers.to_string()).args(kinds.iter().map(|kind| kind.name()));
        // A group of its own, so that Ctrl-C does not reach it before it has stopped the servers.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(|error| format!("starting the supervisor: {error}"))?;
        let tie = child.stdin.take();
        let output = child.stdout.take();
        let supervisor = Self { child, tie };
        let mut variables = Vec::new();
        for line in output.into_iter().flat_map(|output| BufReader::new(output).lines()) {
            let line = line.map_err(|error| format!("reading from the supervisor: {error}"))?;
            match line.split_once('=') {
                Some((name, value)) => variables.push((name.to_owned(), value.to_owned())),
                None if line == supervise::READY => return Ok((supervisor, variables)),
                None => {}
            }
        }
        Err("the servers did not start; why stands above".to_owned())
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.tie.take());
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_brokers_is_read_and_bounded() {
        let parse = |words: &[&str]| parse(&words.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(parse(&[]).unwrap(), 1);
        assert_eq!(parse(&["--brokers", "3"]).unwrap(), 3);
        assert_eq!(parse(&["--brokers=5"]).unwrap(), 5);
        for refused in [&["--brokers"][..], &["--brokers", "0"], &["--brokers", "6"], &["3"], &["--stay"]] {
            assert!(parse(refused).unwrap_err().contains("--brokers N, N from 1 to 5"), "{refused:?}");
        }
    }

    #[test]
    fn folders_of_runs_that_ended_are_removed_and_no_others() {
        let base = std::env::temp_dir().join(format!("xtask-servers-{}", std::process::id()));
        for folder in ["run-1", "run-2", "run-3", "kafka"] {
            fs::create_dir_all(base.join(folder)).unwrap();
        }
        let lock = |run: &str| fs::File::create(base.join(run).join(supervise::LOCK)).unwrap();
        drop(lock("run-1"));
        let held = lock("run-2");
        held.lock().unwrap();
        remove_stale(&base);
        let left = ["run-1", "run-2", "run-3", "kafka"].map(|folder| base.join(folder).exists());
        fs::remove_dir_all(&base).unwrap();
        assert_eq!(left, [false, true, false, true]);
    }
}
