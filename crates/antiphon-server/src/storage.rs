//! What the server keeps: the log, and the records that fold it.

use crate::config::{Engine, NamespaceSection, Settings, SyncSetting};
use crate::serve::ServeError;
use antiphon_core::{AR_ROOM, Backbone, Log, NamespaceSettings, OnCommit, ROOM, Retention, Timestamp};
use antiphon_sql::{Records, RecordsError};
use antiphon_store::{
    BackupError, EmbeddedLog, EmbeddedOptions, InProcessBackbone, MemoryLog, NamespaceTable, RoutedLog, Sync,
};
use std::collections::HashMap;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupFailed {
    /// `log.engine` is `memory`.
    #[error("a log in memory has nothing to back up")]
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

/// The log, and what must be closed with it.
pub struct Storage {
    /// The truth.
    pub log: Arc<dyn Log>,
    disk: Option<Arc<EmbeddedLog>>,
    /// What is folded from it.
    pub records: Records,
}

impl Storage {
    /// Opens what the configuration names. Commits go straight to the backbone.
    pub async fn open(settings: &Settings, backbone: &Arc<InProcessBackbone>) -> Result<Self, ServeError> {
        let backbone = backbone.clone();
        let on_commit: OnCommit = Arc::new(move |records| backbone.deliver(records));
        let table = namespaces(settings.namespaces.clone());
        let memory: Arc<dyn Log> = Arc::new(MemoryLog::new(table.clone(), on_commit.clone()));
        let data = settings.data.clone();
        make_folder(&data).map_err(|error| cannot_write(&data, &error))?;
        if settings.topology().engine() == Engine::Memory {
            // The records fold a log that is gone.
            for name in ["records-memory.sqlite", "records-memory.sqlite-wal", "records-memory.sqlite-shm"] {
                let _ = std::fs::remove_file(data.join(name));
            }
            let records = open_records(&data.join("records-memory.sqlite")).await?;
            return Ok(Self { log: memory, disk: None, records });
        }
        let sync = match settings.log.sync {
            SyncSetting::Always => Sync::Always,
            SyncSetting::Never => Sync::Never,
        };
        let options = EmbeddedOptions { sync, namespaces: table.clone(), on_commit };
        let folder = data.clone();
        let disk = tokio::task::spawn_blocking(move || EmbeddedLog::open(&folder, options))
            .await
            .map_err(|error| ServeError::Start(format!("the log cannot be opened: {error}")))?
            .map_err(|error| ServeError::Start(error.to_string()))?;
        // The log's lock also guards the records.
        let records = open_records(&data.join("records.sqlite")).await?;
        let log: Arc<dyn Log> = Arc::new(RoutedLog::new(disk.clone(), memory, table));
        Ok(Self { log, disk: Some(disk), records })
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
        std::fs::rename(&records, folder.join("records.sqlite"))?;
        Ok(folder)
    }

    /// Closes it in order, so that the next start has nothing to repair.
    pub async fn close(self) {
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

fn namespaces(sections: impl IntoIterator<Item = (String, NamespaceSection)>) -> NamespaceTable {
    let declared: HashMap<_, _> = sections
        .into_iter()
        .map(|(name, section)| {
            let default = if matches!(name.as_str(), AR_ROOM | ROOM) { Retention::ROOMS } else { Retention::DEFAULT };
            let keep = Retention {
                events: section.keep.events.map_or(default.events, |events| (events > 0).then_some(events)),
                age: section.keep.age.map_or(default.age, |age| (!age.is_zero()).then_some(age)),
                bytes: section.keep.bytes.map_or(default.bytes, |bytes| (bytes.0 > 0).then_some(bytes.0)),
            };
            (name, NamespaceSettings { keep, ephemeral: section.ephemeral })
        })
        .collect();
    NamespaceTable::new(declared)
}

async fn open_records(path: &Path) -> Result<Records, ServeError> {
    Records::open(path)
        .await
        .map_err(|error| ServeError::Start(format!("the records in {} cannot be opened: {error}", path.display())))
}

fn cannot_write(folder: &Path, error: &io::Error) -> ServeError {
    ServeError::Start(format!(
        "the data directory {} cannot be made: {error}; choose another by --data",
        folder.display()
    ))
}
