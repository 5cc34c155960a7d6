//! The doctor's look at what a configuration's topology stands on: the engines, and the other processes' way to this one.

mod deployment;

use crate::config::{ConfigError, Flags, Settings};
use crate::storage::findings;
use antiphon_cli::EngineReport;
use futures::future::BoxFuture;
use std::path::PathBuf;

/// Looks at what the topology of a configuration file needs.
pub fn engines(config: PathBuf) -> BoxFuture<'static, Result<Vec<EngineReport>, String>> {
    Box::pin(async move { look(config).await.map_err(|error| error.to_string()) })
}

async fn look(config: PathBuf) -> Result<Vec<EngineReport>, ConfigError> {
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let settings = Settings::load(Some(&config), variables, &Flags::default())?;
    let topology = settings.topology();
    let mut reports = Vec::new();
    if topology.uses_kafka() {
        reports.push(findings::of_kafka(&settings).await?);
    }
    if topology.uses_redis() {
        reports.push(findings::of_redis(&settings).await?);
    }
    if topology.is_shared() {
        reports.push(deployment::check(&settings).await);
    }
    if topology.is_shared() || settings.records.url.is_some() {
        let records = findings::of_records(&settings).await?;
        // Of a file that there is not yet nothing can be said.
        reports.extend((settings.records.url.is_some() || !records.findings.is_empty()).then_some(records));
    }
    Ok(reports)
}
