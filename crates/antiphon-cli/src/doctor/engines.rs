//! What the topology stands on, as those who can reach it found it.

use super::Report;
use crate::failure::Failure;
use futures::future::BoxFuture;
use std::io::Write;
use std::path::PathBuf;

/// What was found of one engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineReport {
    /// Which, such as `kafka`.
    pub name: &'static str,
    /// What answered, where it is known.
    pub server: Option<String>,
    /// What is wrong with it; nothing is good.
    pub findings: Vec<EngineFinding>,
}

/// Something that is wrong with an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineFinding {
    /// Whether the server cannot work like this.
    pub is_bad: bool,
    /// What it is.
    pub what: String,
    /// What to do, where that is not said already.
    pub advice: Option<String>,
}

/// Looks at the engines that a configuration file names. Fails with a sentence where the file cannot be used.
pub type Engines = Box<dyn Fn(PathBuf) -> BoxFuture<'static, Result<Vec<EngineReport>, String>> + Send + Sync>;

pub(super) fn tell<W: Write>(engines: Vec<EngineReport>, report: &mut Report<W>) -> Result<(), Failure> {
    for EngineReport { name, server, findings } in engines {
        match server {
            Some(server) => report.good(&format!("{name}: {server}"))?,
            None if findings.is_empty() => report.good(&format!("{name}: as it has to be"))?,
            None => {}
        }
        for EngineFinding { is_bad, what, advice } in findings {
            let what = format!("{name}: {what}");
            if is_bad {
                report.bad(&what, advice.as_deref().unwrap_or_default())?;
            } else {
                report.warn(&what, advice.as_deref().unwrap_or_default())?;
            }
        }
    }
    Ok(())
}
