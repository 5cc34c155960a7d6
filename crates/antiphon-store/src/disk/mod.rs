//! The engine "disk": every channel in one fjall database in the data folder.
//!
//! | file | what |
//! |---|---|
//! | `FORMAT` | the folder's format version; a newer one is refused |
//! | `LOCK` | locked by the process that has the folder open, and its id |
//! | `IDENTITY` | incarnation, epoch, and whether the folder was closed in order |
//! | `log/` | the database; its stored bytes are in `stored.rs` |
//!
//! One thread commits: it takes all that is pending, writes it as one batch, syncs, and only then shows, hands on and
//! acknowledges it. Another trims. A fault of the disk refuses appends until the database could be opened again, in place.

mod backup;
mod channels;
mod commit;
mod contents;
mod copy;
mod folder;
mod incarnations;
mod journal;
mod retention;
mod shared;
mod space;
mod store;
mod stored;
mod sync_ahead;
#[cfg(test)]
mod tests;
mod trim;

pub use backup::BackupError;
pub use copy::{Change, LocalCopy, Placed};
pub use folder::FORMAT_VERSION;

use crate::{NamespaceTable, size};
use antiphon_core::limits::{APPEND_QUEUE, DISK_RESERVE_BYTES};
use antiphon_core::{Bounds, ChannelName, Event, Log, LogError, OnCommit, Position, ReadFrom, ReadLimit, Record};
use channels::Channels;
use commit::{Append, Command, Committer};
use contents::{Contents, Place};
use folder::{Identity, Lock, State};
use incarnations::Incarnations;
use parking_lot::Mutex;
use retention::Trimmer;
use shared::Shared;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use store::{Durability, Store};
use tokio::sync::{mpsc, oneshot};
use trim::TrimWriter;

/// When an append is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Once the disk has it: survives power loss.
    Always,
    /// Once the operating system has it: survives the process only.
    Never,
}

/// How to open an [`EmbeddedLog`].
#[derive(Clone)]
pub struct EmbeddedOptions {
    /// When an append is acknowledged.
    pub sync: Sync,
    /// What each namespace keeps.
    pub namespaces: NamespaceTable,
    /// Told of every committed record, on the commit thread; must not block.
    pub on_commit: OnCommit,
}

/// Why a data folder could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "the data folder {} is in use by {}: stop that process, or give this one a folder of its own (`fuser -v {}` shows \
         who has it)",
        folder.display(), holder.map_or("another process".to_owned(), |id| format!("process {id}")),
        folder.join("LOCK").display()
    )]
    Locked {
        /// The data folder.
        folder: PathBuf,
        /// The id of the process that has it, where it could be read.
        holder: Option<u32>,
    },
    /// A newer program wrote it.
    #[error(
        "the data folder {} has format version {found}, this program reads up to {FORMAT_VERSION}: use the newer program, \
         or a backup from before it was upgraded", folder.display()
    )]
    NewerFormat {
        /// The data folder.
        folder: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Its files do not add up. Nothing was changed.
    #[error(
        "the data folder {} is damaged: {reason}; nothing was changed, keep a copy of it and restore a backup",
        folder.display()
    )]
    Corrupt {
        /// The data folder.
        folder: PathBuf,
        /// What was found.
        reason: String,
    },
    /// It cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl OpenError {
    fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

/// The log on disk. Dropping it closes it in order; the folder may be opened again after that.
pub struct EmbeddedLog {
    shared: Arc<Shared>,
    queue: Option<mpsc::Sender<Command>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl EmbeddedLog {
    /// Opens the data folder, making it if it is not there, and repairs what a crash left unfinished. Blocks for some
    /// milliseconds, and for as long as the newest journal takes to replay.
    pub fn open(folder: &Path, options: EmbeddedOptions) -> Result<Arc<Self>, OpenError> {
        Self::open_with_reserve(folder, options, DISK_RESERVE_BYTES)
    }

    fn open_with_reserve(folder: &Path, options: EmbeddedOptions, reserve: u64) -> Result<Arc<Self>, OpenError> {
        std::fs::create_dir_all(folder).map_err(|source| OpenError::io(folder, source))?;
        let lock = Lock::take(folder)?;
        let before = find_or_create(folder)?;
        let is_synced = options.sync == Sync::Always;
        let log = folder::log_folder(folder);
        if before.state != State::Closed {
            journal::cut_torn_tail(folder, &log, before.state == State::Open)?;
        }
        let store = Store::open(folder, &log)?;
        let next_channel = store.next_channel().map_err(|error| folder::corrupt(folder, error.to_string()))?;
        // The epoch is on disk before anything bears it.
        let identity = before.opened(is_synced);
        identity.write(folder)?;
        let durability = if is_synced { Durability::Disk } else { Durability::System };
        let channels = Channels::new(options.namespaces, Incarnations::One(identity.incarnation));
        let contents = Arc::new(Contents::new(
            Place { folder: folder.to_owned(), log, reserve, seen_free: Mutex::default() },
            durability,
            channels,
            store,
        ));
        let shared = Arc::new(Shared {
            contents: contents.clone(),
            incarnation: identity.incarnation,
            epoch: identity.epoch,
            on_commit: options.on_commit,
            lock: Mutex::new(Some(lock)),
        });
        let (queue, commands) = mpsc::channel(APPEND_QUEUE);
        let committer = Committer::new(shared.clone(), commands, next_channel);
        let trimmer = Trimmer::new(contents, queue.clone());
        let threads = vec![
            spawn(folder, "antiphon-commit", move || committer.run())?,
            spawn(folder, "antiphon-retain", move || trimmer.run())?,
        ];
        Ok(Arc::new(Self { shared, queue: Some(queue), threads: Mutex::new(threads) }))
    }

    /// Finishes what was accepted, syncs and lets go of the folder; appends and reads fail from then on.
    pub async fn close(&self) -> Result<(), LogError> {
        self.shared.contents.overdue.close();
        let (answer, answered) = oneshot::channel();
        if self.queue()?.send(Command::Close(answer)).await.is_err() {
            return Ok(());
        }
        answered.await.map_err(|_| closed())?
    }

    /// Writes a copy of the log as it stands into a folder that does not exist yet, while appends go on. The copy is a
    /// data folder of its own. Takes as long as writing that much does.
    pub async fn backup(&self, to: &Path) -> Result<(), BackupError> {
        let (shared, to) = (self.shared.clone(), to.to_owned());
        blocking(move || Ok(backup::back_up(&shared, &to))).await?
    }

    /// Trims every channel to its namespace's bounds now, exactly, rather than in the background.
    pub async fn enforce_retention_now(&self) -> Result<(), LogError> {
        let trimmer = Trimmer::new(self.shared.contents.clone(), self.queue()?.clone());
        blocking(move || trimmer.enforce_all()).await
    }

    fn queue(&self) -> Result<&mpsc::Sender<Command>, LogError> {
        self.queue.as_ref().ok_or_else(closed)
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        self.shared.contents.overdue.close();
        self.queue = None;
        for thread in self.threads.get_mut().drain(..) {
            // The last owner may be the function that the commit thread calls.
            if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
                tracing::error!("a thread of the log panicked");
            }
        }
    }
}

#[async_trait::async_trait]
impl Log for EmbeddedLog {
    async fn append(&self, channel: &ChannelName, events: Vec<Event>) -> Result<Vec<Position>, LogError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        size::check(&events)?;
        let (answer, answered) = oneshot::channel();
        let append = Append { channel: channel.clone(), events, answer };
        self.queue()?.send(Command::Append(append)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    async fn read(&self, channel: &ChannelName, from: ReadFrom, limit: ReadLimit) -> Result<Vec<Record>, LogError> {
        contents::read(&self.shared.contents, channel, from, limit).await
    }

    async fn bounds(&self, channel: &ChannelName) -> Result<Bounds, LogError> {
        contents::bounds(&self.shared.contents, channel).await
    }

    async fn trim(&self, channel: &ChannelName, through: Position) -> Result<(), LogError> {
        let (contents, writer, channel) = (self.shared.contents.clone(), self.queue()?.clone(), channel.clone());
        blocking(move || trim::through(&contents, |trim| writer.write(trim), &channel, through)).await
    }

    fn is_durable(&self, _namespace: &str) -> bool {
        self.shared.contents.durability == Durability::Disk
    }

    fn health(&self) -> Result<(), LogError> {
        self.shared.contents.store()?;
        if self.queue()?.is_closed() {
            return Err(closed());
        }
        self.shared.contents.place.check(1)
    }
}

/// The folder's identity; a new folder is made so that a crash at any point leaves one that can be opened.
fn find_or_create(folder: &Path) -> Result<Identity, OpenError> {
    let log = folder::log_folder(folder);
    let has_log = log.try_exists().map_err(|source| OpenError::io(&log, source))?;
    if !folder::has_known_format(folder)? {
        if has_log {
            return Err(folder::corrupt(folder, "it has a log but no FORMAT file, as a backup that was not finished"));
        }
        folder::write_format(folder)?;
    }
    let identity = match Identity::read(folder)? {
        Some(identity) => identity,
        None if has_log => return Err(folder::corrupt(folder, "its IDENTITY file is missing")),
        None => {
            let identity = Identity::new();
            identity.write(folder)?;
            identity
        }
    };
    if !has_log {
        if identity.epoch != 0 {
            return Err(folder::corrupt(folder, "its log folder is missing"));
        }
        create_log(folder, &log)?;
    }
    Ok(identity)
}

fn create_log(folder: &Path, log: &Path) -> Result<(), OpenError> {
    let unfinished = folder::unfinished_log_folder(folder);
    match std::fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(OpenError::io(&unfinished, error)),
        _ => {}
    }
    let store = Store::open(folder, &unfinished)?;
    store.sync().map_err(|error| folder::corrupt(folder, format!("a new store cannot be written: {error:?}")))?;
    drop(store);
    std::fs::rename(&unfinished, log).map_err(|source| OpenError::io(log, source))?;
    folder::sync_folder(folder)
}

fn spawn(folder: &Path, name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(|source| OpenError::io(folder, source))
}

async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    tokio::task::spawn_blocking(run).await.map_err(unavailable)?
}

fn unavailable(error: impl std::fmt::Display) -> LogError {
    LogError::Unavailable { reason: error.to_string() }
}

fn closed() -> LogError {
    LogError::Unavailable { reason: "it is closed".to_owned() }
}
