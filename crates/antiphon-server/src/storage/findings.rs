//! What is found of each engine: for the doctor, and for a start that fails.

use super::{RECORDS_FILE, kafka_target, redis_target, shared};
use crate::config::{ConfigError, Engine, Settings};
use crate::serve::ServeError;
use antiphon_cli::{EngineFinding, EngineReport};
use antiphon_core::{Checked, Finding};
use antiphon_kafka::FindingKind;
use antiphon_sql::{Claim, Severity};
use std::fmt::Display;

/// Looks at Kafka and the topic.
pub async fn of_kafka(settings: &Settings) -> Result<EngineReport, ConfigError> {
    Ok(report("kafka", antiphon_kafka::check(&kafka_target(settings)?).await, severity_of_kafka))
}

/// Looks at Redis.
pub async fn of_redis(settings: &Settings) -> Result<EngineReport, ConfigError> {
    let is_log = settings.topology().engine() == Engine::RedisStreams;
    let checked = antiphon_redis::check(&redis_target(settings)?, is_log).await;
    Ok(report("redis", checked, |finding| finding.is_fatal))
}

/// Looks at the records, and whose they are, without taking part in their deployment.
pub async fn of_records(settings: &Settings) -> Result<EngineReport, ConfigError> {
    let topology = settings.topology();
    let claim = match topology.is_shared() {
        true => Claim::Shared(shared::deployment(settings)?),
        false => Claim::Alone { topology: topology.to_string() },
    };
    let checked = match &settings.records.url {
        Some(url) => antiphon_sql::check(&url.reveal("records.url")?, &claim).await,
        None => antiphon_sql::check_file(&settings.data.join(RECORDS_FILE), &claim).await,
    };
    let finding = |found: antiphon_sql::Finding| EngineFinding {
        is_bad: found.severity == Severity::Problem,
        what: found.what,
        advice: Some(found.advice),
    };
    let findings = checked.findings.into_iter().map(finding).collect();
    Ok(EngineReport { name: "records", server: checked.server, findings })
}

/// Why the records keep the process from starting: what the doctor finds of them, or the error where it finds nothing.
pub async fn records_refused(settings: &Settings, error: impl Display) -> ServeError {
    match of_records(settings).await {
        Ok(report) => refused(report, error),
        Err(error) => error.into(),
    }
}

/// The same of Redis.
pub async fn redis_refused(settings: &Settings, error: impl Display) -> ServeError {
    match of_redis(settings).await {
        Ok(report) => refused(report, error),
        Err(error) => error.into(),
    }
}

/// The same of Kafka, which was looked at already.
pub fn kafka_refused(error: antiphon_kafka::OpenError) -> ServeError {
    let words = error.to_string();
    match error {
        antiphon_kafka::OpenError::Kafka(findings) => {
            let checked = Checked { server: None, findings };
            refused(report("kafka", checked, |finding| finding.is_fatal), words)
        }
        _ => ServeError::Start(format!("kafka: {words}")),
    }
}

fn refused(report: EngineReport, error: impl Display) -> ServeError {
    let EngineReport { name, findings, .. } = report;
    let bad = findings.into_iter().filter(|finding| finding.is_bad);
    let lines = bad.map(|EngineFinding { what, advice, .. }| match advice {
        Some(advice) => format!("{name}: {what}\n    → {advice}"),
        None => format!("{name}: {what}"),
    });
    let lines: Vec<String> = lines.collect();
    ServeError::Start(if lines.is_empty() { format!("{name}: {error}") } else { lines.join("\n") })
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
fn report<Kind>(name: &'static str, checked: Checked<Kind>, is_bad: impl Fn(&Finding<Kind>) -> bool) -> EngineReport {
    let finding = |found: Finding<Kind>| EngineFinding { is_bad: is_bad(&found), what: found.sentence, advice: None };
    EngineReport { name, server: checked.server, findings: checked.findings.into_iter().map(finding).collect() }
}
