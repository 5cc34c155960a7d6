//! What the server keeps: the log with its live path, and the records that fold it.

mod condition;
mod counted;
mod embedded;
pub mod findings;
mod hybrid;
mod kafka;
mod live_path;
mod log_state;
mod measured;
mod owners_log;
mod ownerships;
mod questions;
mod redis;
mod shared;

use crate::config::{NamespaceSection, Settings};
use crate::serve::ServeError;
use antiphon_core::{
    AR_ROOM, Backbone, Elsewhere, Log, NamespaceSettings, OwnedShards, ROOM, Retention, Timestamp, ViewerCount,
};
use antiphon_hub::Hop;
use antiphon_rooms::Rooms;
use antiphon_sql::{Records, RecordsError};
use antiphon_store::{BackupError, EmbeddedLog, NamespaceTable};
use antiphon_transport::auth::Authenticator;
pub use condition::Condition;
use condition::RecordsWatch;
pub use kafka::target as kafka_target;
pub use live_path::{LivePath, RedisState};
use questions::{Addressee, Answering, Questions};
pub use redis::target as redis_target;
use shared::Shared;
use std::collections::HashMap;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The records in the data directory.
const RECORDS_FILE: &str = "records.sqlite";

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupFailed {
    /// The log is elsewhere, or in memory.
    #[error("only a log in the data directory can be copied; others have means of their own")]
    NotOnDisk,
    /// The records.
    #[error("the records could not be copied: {0}")]
    Records(#[from] RecordsError),
    /// The log.
    #[error("the log could not be copied: {0}")]
    Log(#[from] BackupError),
    /// The folder.
    #[error("the backup's folder cannot be written: {0}")]
    Folder(#[from] io::Error),
}

/// The log, its live path, and what must be closed with them.
pub struct Storage {
    /// The truth.
    pub log: Arc<dyn Log>,
    /// What brings its records to this process.
    pub backbone: Arc<dyn Backbone>,
    /// The same, as what it is.
    pub live_path: LivePath,
    /// What is folded from it.
    pub records: Records,
    /// What this process writes of it.
    pub owned: OwnedShards,
    /// From the model's piece to its place in the log, of what this process writes.
    pub provider_to_log: Arc<Hop>,
    /// What it can do now.
    pub condition: Condition,
    disk: Option<Arc<EmbeddedLog>>,
    shared: Option<Shared>,
}

impl Storage {
    /// Opens what the configuration names. Commits go straight to the backbone.
    pub async fn open(settings: &Settings, viewers: &ViewerCount) -> Result<Self, ServeError> {
        make_folder(&settings.data).map_err(|error| cannot_write(&settings.data, &error))?;
        if settings.topology().is_shared() {
            shared::open(settings, viewers).await
        } else {
            embedded::open(settings).await
        }
    }

    /// The way of the rooms to those of other processes.
    pub fn rooms_elsewhere(&self) -> Option<Arc<dyn Elsewhere>> {
        self.shared.as_ref().map(|shared| Questions::of(Addressee::Rooms, shared.cluster.elsewhere()))
    }

    /// Takes part in the deployment from now on, and returns once this process can serve.
    pub async fn join(&self, rooms: &Arc<Rooms>, authenticator: &Arc<Authenticator>) -> Result<(), ServeError> {
        tokio::spawn(self.condition.clone().tell_changes());
        let Some(shared) = &self.shared else { return Ok(()) };
        let elsewhere = Questions::of(Addressee::Tickets, shared.cluster.elsewhere());
        authenticator.share_tickets(self.owned.clone(), elsewhere);
        shared.cluster.set_work(rooms.clone());
        let (kafka, owned) = (shared.kafka(), self.owned.clone());
        let answering = Answering { rooms: rooms.clone(), authenticator: authenticator.clone(), kafka, owned };
        shared.join(answering.answer()).await
    }

    /// Lets other processes have what this one owns and does nothing in, while its rooms finish what they began.
    pub fn retreat(&self) {
        if let Some(shared) = &self.shared {
            shared.cluster.retreat();
        }
    }

    /// Gives away what this process owns, once its rooms have stopped.
    pub async fn hand_over(&self) {
        if let Some(shared) = &self.shared {
            shared.cluster.hand_over().await;
        }
    }

    /// Writes a copy of everything below the data directory while the server runs, and names its folder. A log in memory
    /// has nothing to copy.
    pub async fn back_up(&self, data: &Path) -> Result<PathBuf, BackupFailed> {
        let disk = self.disk.as_ref().ok_or(BackupFailed::NotOnDisk)?;
        let time = Timestamp::now().to_string().replace(':', "-");
        let folder = data.join("backups").join(time);
        // The records first: they must not include more than the log that they are a fold of.
        let records = data.join("backups").join("records.sqlite.part");
        std::fs::create_dir_all(data.join("backups"))?;
        if records.exists() {
            std::fs::remove_file(&records)?;
        }
        self.records.back_up(&records).await?;
        disk.backup(&folder).await?;
        std::fs::rename(&records, folder.join(RECORDS_FILE))?;
        Ok(folder)
    }

    /// Closes it in order, so that the next start has nothing to repair.
    pub async fn close(self) {
        if let Some(shared) = self.shared {
            shared.close().await;
        }
        self.records.close().await;
        if let Some(disk) = self.disk
            && let Err(error) = disk.close().await
        {
            tracing::warn!(%error, "the log was not closed in order; the next start repairs it");
        }
    }
}

/// Makes the data directory where there is none: what people said is nobody else's on this machine.
pub fn make_folder(data: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(data)
}

fn namespaces(settings: &Settings) -> NamespaceTable {
    NamespaceTable::new(
        settings
            .namespaces
            .iter()
            .map(|(name, section)| (name.clone(), kept(name, section)))
            .collect::<HashMap<_, _>>(),
    )
}

fn kept(name: &str, section: &NamespaceSection) -> NamespaceSettings {
    let default = if matches!(name, AR_ROOM | ROOM) { Retention::ROOMS } else { Retention::DEFAULT };
    let keep = Retention {
        events: section.keep.events.map_or(default.events, |events| (events > 0).then_some(events)),
        age: section.keep.age.map_or(default.age, |age| (!age.is_zero()).then_some(age)),
        bytes: section.keep.bytes.map_or(default.bytes, |bytes| (bytes.0 > 0).then_some(bytes.0)),
    };
    NamespaceSettings { keep, ephemeral: section.ephemeral }
}

/// The records in PostgreSQL where the configuration names one, else in this file of the data directory.
async fn open_records(settings: &Settings, file: &str) -> Result<Records, ServeError> {
    if let Some(url) = &settings.records.url {
        return match Records::connect(&url.reveal("records.url")?).await {
            Ok(records) => Ok(records),
            Err(error) => Err(findings::records_refused(settings, error).await),
        };
    }
    let path = settings.data.join(file);
    Records::open(&path)
        .await
        .map_err(|error| ServeError::Start(format!("the records in {} cannot be opened: {error}", path.display())))
}

/// The records' database, where it may be away.
fn watched(settings: &Settings, records: &Records) -> Option<Arc<RecordsWatch>> {
    settings.records.url.is_some().then(|| RecordsWatch::start(records.clone()))
}

fn cannot_write(folder: &Path, error: &io::Error) -> ServeError {
    ServeError::Start(format!(
        "the data directory {} cannot be made: {error}; choose another by --data",
        folder.display()
    ))
}
