//! One server's process: prepared, started, watched, started again, stopped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::steps;

/// A server that is told to end does so within moments, unless somebody has paused it.
const STOP: Duration = Duration::from_secs(3);
/// A server that ends over and over is started again no more often than this.
const AGAIN: Duration = Duration::from_secs(1);
/// While a file of this name is in its folder, a server that has ended is not started again.
const DOWN: &str = "down";
const LOG: &str = "log";
/// So much of a log is shown.
const SHOWN_LINES: usize = 20;

/// How far a server has come.
#[derive(Debug)]
enum Stage {
    New,
    Preparing(Child),
    Starting(Child),
    Ready(Child),
    Ended,
}

/// What a server is started from.
#[derive(Debug)]
pub struct Plan {
    /// For people.
    pub name: String,
    /// Of its own, and there: its process number and its log are kept there.
    pub folder: PathBuf,
    /// Run once before its first start, to lay out its data.
    pub first: Option<Command>,
    /// The server itself.
    pub command: Command,
    /// What it writes to its log once it can be used.
    pub ready: &'static str,
    /// The signal that it is stopped with, where it would leave something behind if it were killed.
    pub signal: Option<&'static str>,
}

/// A server.
#[derive(Debug)]
pub struct Server {
    plan: Plan,
    stage: Stage,
    started: Instant,
}

impl Server {
    /// A server that is not started yet.
    pub fn new(plan: Plan) -> Self {
        Self { plan, stage: Stage::New, started: Instant::now() }
    }

    /// Goes as far as it can without waiting, and says whether the server is ready.
    pub fn advance(&mut self) -> Result<bool, String> {
        match &mut self.stage {
            Stage::New => match self.plan.first.take() {
                Some(mut first) => {
                    self.stage = Stage::Preparing(spawn(&self.plan.name, &self.plan.folder, &mut first)?)
                }
                None => self.begin()?,
            },
            Stage::Preparing(child) => match child.try_wait() {
                Ok(None) => {}
                Ok(Some(status)) if status.success() => self.begin()?,
                ended => return Err(self.failed(&format!("could not be prepared ({})", said(ended)))),
            },
            Stage::Starting(child) => {
                let ended = child.try_wait();
                if !matches!(ended, Ok(None)) {
                    return Err(self.failed(&format!("ended while starting ({})", said(ended))));
                }
                if self.log().contains(self.plan.ready) {
                    self.become_ready();
                }
            }
            Stage::Ready(_) => return Ok(true),
            Stage::Ended => return Err(self.failed("has ended")),
        }
        Ok(false)
    }

    /// Starts it again where it has ended and nobody wants it down; what happened is returned.
    pub fn keep_up(&mut self) -> Result<Option<String>, String> {
        if let Stage::Ready(child) = &mut self.stage {
            let ended = child.try_wait();
            if matches!(ended, Ok(None)) {
                return Ok(None);
            }
            self.stage = Stage::Ended;
            return Ok(Some(format!("{} has ended ({})", self.plan.name, said(ended))));
        }
        if self.started.elapsed() < AGAIN || self.plan.folder.join(DOWN).exists() {
            return Ok(None);
        }
        self.begin()?;
        self.become_ready();
        Ok(Some(format!("{} is started again", self.plan.name)))
    }

    /// Stops it; nobody needs what it holds.
    pub fn stop(&mut self) {
        let stage = std::mem::replace(&mut self.stage, Stage::Ended);
        let (Stage::Preparing(mut child) | Stage::Starting(mut child) | Stage::Ready(mut child)) = stage else {
            return;
        };
        if let Some(signal) = self.plan.signal {
            // The shell's own, as a program of this name is not everywhere.
            let kill = format!("kill -s {signal} {}", child.id());
            let begun = Instant::now();
            if steps::answers("sh", &["-c", &kill]) {
                while begun.elapsed() < STOP && matches!(child.try_wait(), Ok(None)) {
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
        }
        let _ = child.kill();
        let _ = child.wait();
    }

    fn begin(&mut self) -> Result<(), String> {
        let child = spawn(&self.plan.name, &self.plan.folder, &mut self.plan.command)?;
        let pid = self.plan.folder.join("pid");
        fs::write(&pid, child.id().to_string()).map_err(|error| format!("{}: {error}", pid.display()))?;
        self.started = Instant::now();
        self.stage = Stage::Starting(child);
        Ok(())
    }

    fn become_ready(&mut self) {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Starting(child) => Stage::Ready(child),
            other => other,
        };
    }

    fn log(&self) -> String {
        fs::read(self.plan.folder.join(LOG))
            .map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// What has failed, with the end of the log, which is removed with the folder.
    fn failed(&self, what: &str) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let shown = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
        format!("{} {what}; its log ends:\n{}", self.plan.name, shown.join("\n"))
    }
}

fn spawn(name: &str, folder: &Path, command: &mut Command) -> Result<Child, String> {
    let path = folder.join(LOG);
    let explained = |error: std::io::Error| format!("{}: {error}", path.display());
    let log = fs::File::options().create(true).append(true).open(&path).map_err(explained)?;
    let errors = log.try_clone().map_err(explained)?;
    command.stdin(Stdio::null()).stdout(log).stderr(errors);
    command.spawn().map_err(|error| format!("{name}: {}: {error}", command.get_program().display()))
}

fn said(ended: std::io::Result<Option<std::process::ExitStatus>>) -> String {
    match ended {
        Ok(Some(status)) => status.to_string(),
        Ok(None) => "running".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// A command that gets the signal when this process dies, so that even `kill -9` of it leaves nothing running. Only
/// Linux knows such a thing; elsewhere the command is as it would be without.
pub fn tethered(program: &Path, signal: &str, options: &[String]) -> Command {
    if !steps::answers("setpriv", &["--pdeathsig", "KILL", "true"]) {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", signal]).args(options).arg("--").arg(program);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: &str, first: Option<&str>, script: &str) -> Server {
        let folder = std::env::temp_dir().join(format!("xtask-process-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]).current_dir(&folder);
            command
        };
        let (first, command) = (first.map(shell), shell(script));
        Server::new(Plan { name: name.to_owned(), folder, first, command, ready: "come in", signal: None })
    }

    fn advance(server: &mut Server) -> Result<(), String> {
        while !server.advance()? {
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    #[test]
    fn a_server_is_prepared_started_and_stopped() {
        let mut server = server("whole", Some("echo laid out > data"), "cat data; echo come in; exec sleep 60");
        advance(&mut server).unwrap();
        assert_eq!(server.log(), "laid out\ncome in\n");
        let pid = fs::read_to_string(server.plan.folder.join("pid")).unwrap();
        assert!(steps::answers("sh", &["-c", &format!("kill -0 {pid}")]));
        server.stop();
        assert!(!steps::answers("sh", &["-c", &format!("kill -0 {pid}")]));
        fs::remove_dir_all(&server.plan.folder).unwrap();
    }

    #[test]
    fn what_fails_says_how_with_the_end_of_the_log() {
        for (name, first, script, said) in [
            ("unprepared", Some("echo no room; exit 3"), "true", "unprepared could not be prepared (exit status: 3)"),
            ("short", None, "echo no room; exit 4", "short ended while starting (exit status: 4)"),
        ] {
            let mut server = server(name, first, script);
            let error = advance(&mut server).unwrap_err();
            fs::remove_dir_all(&server.plan.folder).unwrap();
            assert!(error.starts_with(said) && error.ends_with("no room"), "{error}");
        }
    }

    #[test]
    fn one_that_ends_is_started_again_unless_it_is_to_be_down() {
        let mut server = server("again", None, "echo come in; exec sleep 60");
        advance(&mut server).unwrap();
        assert_eq!(server.keep_up().unwrap(), None);
        fs::write(server.plan.folder.join(DOWN), "").unwrap();
        let Stage::Ready(child) = &mut server.stage else { panic!("it is ready") };
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(server.keep_up().unwrap().unwrap(), "again has ended (signal: 9 (SIGKILL))");
        server.started = Instant::now().checked_sub(2 * AGAIN).unwrap();
        assert_eq!(server.keep_up().unwrap(), None, "it is to be down");
        fs::remove_file(server.plan.folder.join(DOWN)).unwrap();
        assert_eq!(server.keep_up().unwrap().unwrap(), "again is started again");
        assert!(server.advance().unwrap());
        server.stop();
        fs::remove_dir_all(&server.plan.folder).unwrap();
    }
}
