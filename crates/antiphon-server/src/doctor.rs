//! The doctor's look at what a configuration's topology stands on: the engines, and the other processes' way to this one.

mod deployment;

use crate::config::{Engine, Flags, Settings};
use crate::storage::{kafka_target, redis_target};
use antiphon_cli::{EngineFinding, EngineReport};
use antiphon_core::{Checked, Finding};
use antiphon_kafka::FindingKind;
use futures::future::BoxFuture;
use std::path::PathBuf;

/// Looks at what the topology of a configuration file needs.
pub fn engines(config: PathBuf) -> BoxFuture<'static, Result<Vec<EngineReport>, String>> {
    Box::pin(async move {
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let settings =
            Settings::load(Some(&config), variables, &Flags::default()).map_err(|error| error.to_string())?;
        let mut reports = Vec::new();
        if settings.topology().uses_kafka() {
            let target = kafka_target(&settings).map_err(|error| error.to_string())?;
            reports.push(engine("kafka", antiphon_kafka::check(&target).await, severity_of_kafka));
        }
        if settings.topology().uses_redis() {
            let target = redis_target(&settings).map_err(|error| error.to_string())?;
            let is_log = settings.topology().engine() == Engine::RedisStreams;
            let checked = antiphon_redis::check(&target, is_log).await;
            reports.push(engine("redis", checked, |finding| finding.is_fatal));
        }
        if settings.topology().is_shared() {
            reports.push(deployment::check(&settings).await);
        }
        if let Some(url) = &settings.records.url {
            let url = url.reveal("records.url").map_err(|error| error.to_string())?;
            reports.push(records(antiphon_sql::check(&url).await));
        }
        Ok(reports)
    })
}

/// A topic that is missing is made by the first start. Fewer copies than asked for do not keep a server from running, but
/// are not what was asked for.
fn severity_of_kafka(finding: &Finding<FindingKind>) -> bool {
    match finding.kind {
        FindingKind::TopicMissing => false,
        FindingKind::Replication => true,
        _ => finding.is_fatal,
    }
}

/// Each sentence ends in what to do.
fn engine<Kind>(name: &'static str, checked: Checked<Kind>, is_bad: impl Fn(&Finding<Kind>) -> bool) -> EngineReport {
    let finding = |found: Finding<Kind>| EngineFinding { is_bad: is_bad(&found), what: found.sentence, advice: None };
    EngineReport { name, server: checked.server, findings: checked.findings.into_iter().map(finding).collect() }
}

fn records(checked: antiphon_sql::Checked) -> EngineReport {
    let finding = |found: antiphon_sql::Finding| EngineFinding {
        is_bad: found.severity == antiphon_sql::Severity::Problem,
        what: found.what,
        advice: Some(found.advice),
    };
    EngineReport {
        name: "records",
        server: checked.server,
        findings: checked.findings.into_iter().map(finding).collect(),
    }
}
