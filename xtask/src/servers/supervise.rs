//! The process between this program and the servers: starts them, keeps them up, and stops them when its input ends.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::certificates::{self, Certificates};
use super::process::Server;
use super::{Kind, kafka, ports, postgres, redis};

/// The file in a run's folder that is locked while the run lasts.
pub const LOCK: &str = "lock";
/// The line after the variables.
pub const READY: &str = "ready";
/// Three brokers on a busy machine take some tens of seconds.
const START: Duration = Duration::from_secs(180);
const STARTING: Duration = Duration::from_millis(20);
const WATCHING: Duration = Duration::from_millis(100);

/// Servers that are to be started, and what tells tests where they will be.
#[derive(Debug)]
pub struct Planned {
    /// The servers.
    pub servers: Vec<Server>,
    /// Names and values.
    pub variables: Vec<(String, String)>,
    /// All found at once, so that no two servers get the same.
    ports: Vec<u16>,
}

impl Planned {
    fn with_ports(count: usize) -> Result<Self, String> {
        Ok(Self { servers: Vec::new(), variables: Vec::new(), ports: ports::free(count)? })
    }

    /// A port that is nobody else's.
    pub fn port(&mut self) -> Result<u16, String> {
        self.ports.pop().ok_or_else(|| "more ports were asked for than counted".to_owned())
    }
}

/// Starts the servers named, writes `NAME=value` for each variable and then `ready`, and stays until standard input ends.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let refused = || "this is started by `servers` and `test`, not by hand".to_owned();
    let [folder, brokers, names @ ..] = arguments else { return Err(refused()) };
    let brokers: u16 = brokers.parse().map_err(|_| refused())?;
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| names.iter().any(|name| name == kind.name())).collect();
    let folder = Path::new(folder);
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let lock = fs::File::create(folder.join(LOCK)).map_err(|error| format!("{LOCK}: {error}"))?;
    lock.lock().map_err(|error| format!("{LOCK}: {error}"))?;
    let mut planned = Planned::with_ports(kafka::ports(brokers) + 2)?;
    let outcome = plan(&mut planned, folder, &kinds, brokers).and_then(|()| serve(&mut planned));
    for server in &mut planned.servers {
        server.stop();
    }
    let _ = fs::remove_dir_all(folder);
    outcome
}

fn plan(planned: &mut Planned, folder: &Path, kinds: &[Kind], brokers: u16) -> Result<(), String> {
    let certificates = certificates::is_installed().then(|| Certificates::make(folder)).transpose()?;
    planned.variables.extend(certificates.as_ref().map(Certificates::variable));
    for kind in kinds {
        match kind {
            Kind::Kafka => kafka::plan(planned, folder, brokers, certificates.as_ref())?,
            Kind::Redis => redis::plan(planned, folder)?,
            Kind::Postgres => postgres::plan(planned, folder, certificates.as_ref())?,
        }
    }
    Ok(())
}

fn serve(planned: &mut Planned) -> Result<(), String> {
    let end = end_of_input();
    let begun = Instant::now();
    while !advance(&mut planned.servers)? {
        if has_ended(&end, STARTING) {
            return Ok(());
        }
        if begun.elapsed() > START {
            return Err(format!("the servers were not ready within {START:?}"));
        }
    }
    let mut lines = planned.variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect::<String>();
    lines.push_str(READY);
    lines.push('\n');
    let mut output = std::io::stdout();
    output
        .write_all(lines.as_bytes())
        .and_then(|()| output.flush())
        .map_err(|error| format!("the variables: {error}"))?;
    while !has_ended(&end, WATCHING) {
        for server in &mut planned.servers {
            if let Some(news) = server.keep_up()? {
                // The terminal may be gone already.
                let _ = writeln!(std::io::stderr(), "xtask servers: {news}");
            }
        }
    }
    Ok(())
}

/// All of them, as they start side by side.
fn advance(servers: &mut [Server]) -> Result<bool, String> {
    let mut are_ready = true;
    for server in servers {
        are_ready &= server.advance()?;
    }
    Ok(are_ready)
}

/// Whose other end is dropped when standard input ends, that is when the process that started this one does.
fn end_of_input() -> Receiver<()> {
    let (sender, end) = channel();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        drop::<std::sync::mpsc::Sender<()>>(sender);
    });
    end
}

fn has_ended(end: &Receiver<()>, wait: Duration) -> bool {
    end.recv_timeout(wait) != Err(RecvTimeoutError::Timeout)
}
