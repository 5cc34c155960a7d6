//! The processes of a measurement: started in a group of their own, their CPU counted, killed when they are dropped.

use crate::failure::Failure;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a process may take to begin.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running process; killed when dropped.
pub(super) struct Running {
    child: Child,
}

impl Running {
    /// Starts a program that says nothing; its standard error goes to a file.
    pub(super) fn start(mut command: Command, log: &Path) -> Result<Self, Failure> {
        let name = command.get_program().to_string_lossy().into_owned();
        let log = fs::File::create(log).map_err(|error| cannot(&name, &error))?;
        let output = log.try_clone().map_err(|error| cannot(&name, &error))?;
        command.stdin(Stdio::null()).stdout(output).stderr(log).process_group(0);
        Ok(Self { child: command.spawn().map_err(|error| cannot(&name, &error))? })
    }

    /// Starts a server and gives the address of its `ready` line.
    pub(super) async fn start_server(mut command: Command, log: &Path) -> Result<(Self, String), Failure> {
        let name = "antiphon serve";
        let output = fs::File::create(log).map_err(|error| cannot(name, &error))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(output).process_group(0);
        let mut child = command.spawn().map_err(|error| cannot(name, &error))?;
        let stdout = child.stdout.take();
        let running = Self { child };
        // The process is killed where nobody waits any longer, which ends the reading.
        let reading = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            stdout.map(|stdout| BufReader::new(stdout).read_line(&mut line).map(|_| line)).transpose()
        });
        let line = match tokio::time::timeout(PATIENCE, reading).await {
            Ok(Ok(Ok(line))) => line.unwrap_or_default(),
            _ => String::new(),
        };
        match line.trim().strip_prefix("ready http://") {
            Some(address) => Ok((running, address.to_owned())),
            None => {
                let said = fs::read_to_string(log).unwrap_or_default();
                let last: Vec<&str> = said.lines().rev().take(5).collect();
                let last = last.into_iter().rev().collect::<Vec<_>>().join("\n  ");
                Err(Failure::new(format!("a server did not start: {last}")))
            }
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`
    pub(super) fn kill(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// CPU time of all its threads so far, in microseconds, as Linux counts it.
    pub(super) fn cpu_micros(&self) -> u64 {
        cpu_micros(self.id())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// CPU time of a process and of the children that it has, in microseconds: `proc(5)`.
fn cpu_micros(id: u32) -> u64 {
    let mut micros = 0;
    let Ok(tasks) = fs::read_dir(format!("/proc/{id}/task")) else { return 0 };
    for task in tasks.flatten() {
        // A thread may end between the listing and the reading.
        let schedule = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        micros += schedule.split_whitespace().next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or(0) / 1_000;
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        micros += children.split_whitespace().filter_map(|child| child.parse().ok()).map(cpu_micros).sum::<u64>();
    }
    micros
}

/// A port of this machine where nobody listens.
pub(super) fn free_port() -> Result<u16, Failure> {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    bound.map(|address| address.port()).map_err(|error| Failure::new(format!("no port is free: {error}")))
}

/// Waits until somebody listens at a port of this machine.
pub(super) async fn listening(port: u16, what: &str, log: &Path) -> Result<(), Failure> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(Failure::new(format!("{what} does not listen after {} s", PATIENCE.as_secs()))
        .fix(format!("look at {}", log.display())))
}

/// Holds a process to a share of one core: stopped for the rest of each tenth of a second, until this is dropped.
pub(super) struct Capped {
    capping: tokio::task::JoinHandle<()>,
    id: u32,
}

impl Capped {
    pub(super) fn new(running: &Running, share: f64) -> Self {
        const PERIOD: Duration = Duration::from_millis(100);
        let id = running.id();
        let capping = tokio::spawn(async move {
            let mut used = cpu_micros(id);
            loop {
                // What it used in the last period decides how long it is stopped: processes that do little are left alone.
                tokio::time::sleep(PERIOD.mul_f64(0.1)).await;
                let now = cpu_micros(id);
                let spent = Duration::from_micros(now.saturating_sub(used));
                used = now;
                let owed = spent.div_f64(share).saturating_sub(PERIOD.mul_f64(0.1));
                if owed > Duration::from_millis(1) {
                    signal(id, rustix::process::Signal::STOP);
                    tokio::time::sleep(owed).await;
                    signal(id, rustix::process::Signal::CONT);
                }
            }
        });
        Self { capping, id }
    }
}

impl Drop for Capped {
    fn drop(&mut self) {
        self.capping.abort();
        signal(self.id, rustix::process::Signal::CONT);
    }
}

fn signal(id: u32, signal: rustix::process::Signal) {
    if let Some(id) = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw) {
        // It may have ended.
        let _ = rustix::process::kill_process(id, signal);
    }
}

fn cannot(name: &str, error: &std::io::Error) -> Failure {
    Failure::new(format!("{name} cannot be started: {error}"))
}
