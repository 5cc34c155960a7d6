//! The machine that the figures were measured on, and how much of the time it takes away from whoever runs on it.

use serde_json::{Value, json};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How long the machine is looked at before a measurement.
pub(super) const LOOK: Duration = Duration::from_secs(3);
/// What is taken for a pause.
const PAUSE: Duration = Duration::from_millis(1);

/// What it is.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    cpu: String,
    cores: usize,
    memory_gib: u64,
    /// Of each core, in a second.
    paused_millis: f64,
    longest_pause_millis: f64,
}

impl Machine {
    /// Looks at it, as long as nothing else runs: each core is kept busy with looking at the clock.
    pub(super) async fn look(time: Duration) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let pauses = tokio::task::spawn_blocking(move || {
            let looking: Vec<_> = (0..cores).map(|_| thread::spawn(move || pauses(time))).collect();
            looking.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect::<Vec<Duration>>()
        });
        let pauses = pauses.await.unwrap_or_default();
        let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
        Self {
            cpu: named("/proc/cpuinfo", "model name"),
            cores,
            memory_gib: named("/proc/meminfo", "MemTotal").split(' ').next().map_or(0, in_gib),
            paused_millis: millis(pauses.iter().sum()) / time.as_secs_f64() / cores as f64,
            longest_pause_millis: pauses.iter().max().copied().map_or(0.0, millis),
        }
    }

    /// For people.
    pub(super) fn sentence(&self) -> String {
        format!(
            "Machine: {}, {} cores, {} GiB; everything on it, the simulated model and the clients included. With nothing else on \
             it, it stopped each core for {:.0} ms of a second, up to {:.0} ms at a time (pauses of over 1 ms); tails are to be \
             read against that.",
            self.cpu, self.cores, self.memory_gib, self.paused_millis, self.longest_pause_millis
        )
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        json!({
            "cpu": self.cpu,
            "cores": self.cores,
            "memoryGiB": self.memory_gib,
            "version": env!("CARGO_PKG_VERSION"),
            "pausedMsPerSecond": self.paused_millis,
            "longestPauseMs": self.longest_pause_millis,
        })
    }
}

/// The pauses of a thread that does nothing but look at the clock.
fn pauses(time: Duration) -> Vec<Duration> {
    let began = Instant::now();
    let (mut last, mut pauses) = (began, Vec::new());
    while last - began < time {
        let now = Instant::now();
        if now - last > PAUSE {
            pauses.push(now - last);
        }
        last = now;
    }
    pauses
}

/// The value of the first line of this name in a file of the system; nothing where there is none.
fn named(file: &str, name: &str) -> String {
    let text = std::fs::read_to_string(Path::new(file)).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_default().trim_start_matches(['\t', ':', ' ']).to_owned()
}

fn in_gib(kib: &str) -> u64 {
    kib.parse().map_or(0, |kib: u64| kib / (1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_machine_is_named_with_its_cores_and_memory() {
        let machine = Machine::look(Duration::from_millis(20)).await;
        assert!(machine.cores > 0 && machine.memory_gib > 0, "{machine:?}");
        assert!(machine.sentence().contains(&machine.cpu));
    }
}
