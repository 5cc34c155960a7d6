//! The topologies of one process: the log on disk, or in memory.

use super::condition::Condition;
use super::counted::CountedLog;
use super::measured::measured;
use super::{LivePath, RECORDS_FILE, Storage, findings, namespaces, open_records, watched};
use crate::config::{Engine, Settings, SyncSetting};
use crate::serve::ServeError;
use antiphon_core::{Backbone, Log, OwnedShards};
use antiphon_hub::Hop;
use antiphon_store::{EmbeddedLog, EmbeddedOptions, InProcessBackbone, MemoryLog, RoutedLog, Sync};
use std::sync::Arc;

/// Opens the log and the records in the data directory.
pub async fn open(settings: &Settings) -> Result<Storage, ServeError> {
    let backbone = Arc::new(InProcessBackbone::new());
    let delivering = backbone.clone();
    let provider_to_log = Arc::new(Hop::default());
    let on_commit = measured(&provider_to_log, Arc::new(move |records| delivering.deliver(records)));
    let table = namespaces(settings);
    let memory: Arc<dyn Log> = Arc::new(MemoryLog::new(table.clone(), on_commit.clone()));
    let (log, disk, records) = if settings.topology().engine() == Engine::Memory {
        // The records fold a log that is gone.
        for name in ["records-memory.sqlite", "records-memory.sqlite-wal", "records-memory.sqlite-shm"] {
            let _ = std::fs::remove_file(settings.data.join(name));
        }
        (memory, None, open_records(settings, "records-memory.sqlite").await?)
    } else {
        let sync = match settings.log.sync {
            SyncSetting::Always => Sync::Always,
            SyncSetting::Never => Sync::Never,
        };
        let options = EmbeddedOptions { sync, namespaces: table.clone(), on_commit };
        let folder = settings.data.clone();
        let disk = tokio::task::spawn_blocking(move || EmbeddedLog::open(&folder, options))
            .await
            .map_err(|error| ServeError::Start(format!("the log cannot be opened: {error}")))?
            .map_err(|error| ServeError::Start(error.to_string()))?;
        // The log's lock also guards the records.
        let records = open_records(settings, RECORDS_FILE).await?;
        let log: Arc<dyn Log> = Arc::new(RoutedLog::new(disk.clone(), memory, table));
        (log, Some(disk), records)
    };
    if settings.records.url.is_some() {
        match records.leases().topology().await {
            Ok(None) => {}
            Ok(Some(topology)) => {
                let words = format!("this database is of a deployment with topology = {topology:?}");
                return Err(findings::records_refused(settings, words).await);
            }
            Err(error) => return Err(findings::records_refused(settings, error).await),
        }
    }
    let condition = Condition {
        engine: Some((settings.topology().engine(), log.clone())),
        live_path: LivePath::InProcess,
        silent_since: Arc::default(),
        records: watched(settings, &records),
        owners_log: None,
        shared: None,
        appends_refused: Arc::default(),
    };
    let log = Arc::new(CountedLog { log, refused: condition.appends_refused.clone() });
    let (owned, live_path) = (OwnedShards::everything(), LivePath::InProcess);
    Ok(Storage { log, backbone, live_path, records, owned, provider_to_log, condition, disk, shared: None })
}
