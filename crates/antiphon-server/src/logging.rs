//! The server's own log: lines to standard error, by a thread of their own. A reader that does not drain them holds
//! nothing up: lines that find no room are dropped and counted.

use crate::config::{ConfigError, LogFormat, LogOutputSection};
use antiphon_core::limits::LOG_LINES;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// The longest line, in bytes.
const MAX_LINE_BYTES: usize = 8 * 1024;
/// Parts that tell more than an operator wants to know, unless asked for by name.
const QUIET: &str = "fjall=warn,lsm_tree=warn,sqlx=warn,hyper=info,reqwest=info";
/// How long the last lines may take at the end.
const FLUSH: Duration = Duration::from_millis(500);

enum Entry {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// Where log lines go.
#[derive(Clone)]
pub struct LogLines {
    entries: SyncSender<Entry>,
    dropped: Arc<AtomicU64>,
}

impl LogLines {
    fn to(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (entries, written) = sync_channel(LOG_LINES);
        let dropped = Arc::new(AtomicU64::new(0));
        let counted = dropped.clone();
        std::thread::Builder::new().name("log-lines".into()).spawn(move || write_all(out, &written, &counted))?;
        Ok(Self { entries, dropped })
    }

    /// Waits a moment for the lines so far to be written.
    pub fn flush(&self) {
        let (done, is_done) = sync_channel(1);
        if self.entries.try_send(Entry::Flush(done)).is_ok() {
            let _ = is_done.recv_timeout(FLUSH);
        }
    }
}

fn write_all(mut out: impl Write, entries: &Receiver<Entry>, dropped: &AtomicU64) {
    for entry in entries {
        // Whether anybody reads the log is not the server's business.
        match entry {
            Entry::Line(line) => {
                let lost = dropped.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    let _ = writeln!(out, "{lost} log lines were dropped: standard error was not read in time");
                }
                let _ = out.write_all(&line);
            }
            Entry::Flush(done) => {
                let _ = out.flush();
                let _ = done.try_send(());
            }
        }
    }
}

impl Write for LogLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut kept = line.get(..MAX_LINE_BYTES).map_or_else(|| line.to_vec(), <[u8]>::to_vec);
        if kept.len() < line.len() {
            kept.extend_from_slice(b" [cut]\n");
        }
        if let Err(TrySendError::Full(_)) = self.entries.try_send(Entry::Line(kept)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogLines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Starts logging for the whole process.
pub fn start(section: &LogOutputSection) -> Result<LogLines, ConfigError> {
    let filter = EnvFilter::try_new(format!("{QUIET},{}", section.level))
        .map_err(|error| ConfigError::new(format!("log_output.level: `{}` is not a filter: {error}", section.level)))?;
    let lines = LogLines::to(io::stderr())
        .map_err(|error| ConfigError::new(format!("the log's thread cannot be started: {error}")))?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(lines.clone());
    match section.format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => subscriber.json().flatten_event(true).init(),
    }
    // The default hook writes to standard error itself, and would wait for its reader.
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(at, message = panic.payload_as_str().unwrap_or("a panic"), "panicked");
    }));
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that takes nothing until it is told to.
    struct Stalled(Receiver<()>);

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_does_not_drain_holds_nothing_up() {
        let (go, stalled) = sync_channel(0);
        let mut lines = LogLines::to(Stalled(stalled)).unwrap();
        // What the thread has taken, what waits, and more.
        for _ in 0..2 * LOG_LINES + 1_000 {
            lines.write_all(b"line\n").unwrap();
        }
        assert!(lines.dropped.load(Ordering::Relaxed) >= 900);
        drop(go);
    }
}
