//! The doctor's look at the engines that a configuration names.

use crate::config::{Engine, Flags, Settings};
use crate::storage::{kafka_target, redis_target};
use antiphon_cli::{EngineFinding, EngineReport};
use antiphon_core::Finding;
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
            let findings = antiphon_kafka::check(&target).await;
            reports.push(engine("kafka", findings, |kind| *kind == FindingKind::TopicMissing));
        }
        if settings.topology().uses_redis() {
            let target = redis_target(&settings).map_err(|error| error.to_string())?;
            let is_log = settings.topology().engine() == Engine::RedisStreams;
            reports.push(engine("redis", antiphon_redis::check(&target, is_log).await, |_| false));
        }
        if let Some(url) = &settings.records.url {
            let url = url.reveal("records.url").map_err(|error| error.to_string())?;
            reports.push(records(antiphon_sql::check(&url).await));
        }
        Ok(reports)
    })
}

/// Each sentence ends in what to do. `is_expected` is of what the first start sees to.
fn engine<Kind>(name: &'static str, findings: Vec<Finding<Kind>>, is_expected: impl Fn(&Kind) -> bool) -> EngineReport {
    let finding = |found: Finding<Kind>| EngineFinding {
        is_bad: found.is_fatal && !is_expected(&found.kind),
        what: found.sentence,
        advice: None,
    };
    EngineReport { name, server: None, findings: findings.into_iter().map(finding).collect() }
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
