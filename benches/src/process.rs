//! The measured processes: started, watched through `/proc`, stopped.

use crate::Result;
use crate::formats::Format;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// The key of the benchmark's own configuration.
pub const KEY: &str = "bench-key-0123456789";

/// Whether the log syncs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// Each group commit.
    Always,
    /// Never.
    Never,
}

/// A running server or floor; killed when dropped.
pub struct Started {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    _folder: TempDir,
}

impl Started {
    /// The server on a data folder of its own, with every limit off.
    pub fn server(binary: &Path, sync: Sync, upstream: Option<SocketAddr>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let sync = if sync == Sync::Always { "always" } else { "never" };
        let mut config = format!(
            "[auth]\njwt_secret = \"a-secret-for-benchmarks-only-0123456789\"\n\
             api_keys = [{{ name = \"bench\", key = \"{KEY}\", publish = [\"*\"], read = [\"*\"] }}]\n\
             [limits]\nmessages_per_minute = 0\nrequests_per_minute = 0\nconnections_per_user = 0\n\
             connections_per_address = 0\npublishes_per_second = 0\n[log]\nsync = \"{sync}\"\n"
        );
        for format in Format::ALL {
            let Some(upstream) = upstream else { break };
            let (kind, path) = (format.kind(), format.base_path());
            config += &format!(
                "[providers.{kind}]\nkind = \"{kind}\"\nbase_url = \"http://{upstream}{path}\"\napi_key = \"none\"\n\
                 [agents.{kind}]\nprovider = \"{kind}\"\nmodel = \"paced\"\nsystem = \"\"\nmarkers = \"off\"\n"
            );
        }
        let file = folder.path().join("antiphon.toml");
        fs::File::create(&file)?.write_all(config.as_bytes())?;
        let mut command = Command::new(binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(&file);
        command.arg("--data").arg(folder.path().join("data"));
        Self::start(command, folder)
    }

    /// This program as the floor.
    pub fn floor() -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--floor");
        Self::start(command, tempfile::tempdir()?)
    }

    fn start(mut command: Command, folder: TempDir) -> Result<Self> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().strip_prefix("ready http://").ok_or("the server did not start")?;
        Ok(Self { address: address.parse()?, child, _folder: folder })
    }

    /// CPU time of all its threads so far, in microseconds.
    pub fn cpu_micros(&self) -> Result<f64> {
        let mut nanos = 0_u64;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            // A thread may end between the listing and the reading.
            if let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) {
                nanos += text.split_whitespace().next().unwrap_or("0").parse::<u64>()?;
            }
        }
        Ok(nanos as f64 / 1_000.0)
    }

    /// Its resident memory, in KiB.
    pub fn memory_kib(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.split_whitespace().nth(1).ok_or("no figure")?.parse()?)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the figures were measured on.
pub fn machine() -> Value {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    json!({ "cpu": model.trim_start_matches(['\t', ':', ' ']), "cores": cores })
}
