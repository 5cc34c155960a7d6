//! What campaigns came to: a table to read and JSON to keep.

use super::Fault;
use super::verdict::Verdict;
use crate::deployment::Topology;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// Findings that are shown of a topology that loses by design.
const EXAMPLES: usize = 5;

/// One topology's campaign.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which.
    pub topology: Topology,
    /// What it was drawn from.
    pub seed: u64,
    /// How long it took, the end included.
    pub time: Duration,
    /// For each fault: how often, the longest silence of any client, and the longest time until all went on.
    pub done: BTreeMap<Fault, (u64, Duration, Duration)>,
    /// Processes that ended by themselves.
    pub deaths: Vec<String>,
    /// What it did not recover from.
    pub broken: Option<String>,
    /// The check of everything.
    pub verdict: Verdict,
}

impl Row {
    pub(super) fn new(topology: Topology, seed: u64) -> Self {
        Self {
            topology,
            seed,
            time: Duration::ZERO,
            done: BTreeMap::new(),
            deaths: Vec::new(),
            broken: None,
            verdict: Verdict::default(),
        }
    }

    pub(super) fn note(&mut self, fault: Fault, silence: Duration, recovery: Duration) {
        let (count, longest, slowest) = self.done.entry(fault).or_default();
        *count += 1;
        *longest = silence.max(*longest);
        *slowest = recovery.max(*slowest);
    }

    pub(super) fn finish(&mut self, time: Duration, verdict: Verdict) {
        self.time = time;
        self.verdict = verdict;
    }

    /// Faults done.
    pub fn faults(&self) -> usize {
        self.done.values().map(|(count, _, _)| *count as usize).sum()
    }

    /// Whether every guarantee held and everything went on after each fault.
    pub fn is_clean(&self) -> bool {
        self.broken.is_none() && self.deaths.is_empty() && self.verdict.is_clean()
    }

    fn json(&self) -> Value {
        let fault = |(fault, (count, silence, recovery)): (&Fault, &(u64, Duration, Duration))| {
            let told = json!({ "count": count, "longestSilenceMs": silence.as_millis() as u64,
                "slowestRecoveryMs": recovery.as_millis() as u64 });
            (fault.name().to_owned(), told)
        };
        let verdict = &self.verdict;
        json!({ "topology": self.topology.name(), "seed": self.seed, "seconds": self.time.as_secs(),
            "faults": self.done.iter().map(fault).collect::<serde_json::Map<_, _>>(),
            "acknowledged": verdict.acknowledged, "lost": verdict.lost, "gaps": verdict.gaps,
            "duplicates": verdict.duplicates, "disorder": verdict.disorder, "replaced": verdict.replaced,
            "withoutOneEnd": verdict.without_one_end, "outcomes": verdict.outcomes, "refused": verdict.refused,
            "dropped": verdict.dropped, "problems": verdict.problems, "deaths": self.deaths, "broken": self.broken,
            "clean": self.is_clean() })
    }
}

/// All of them.
pub struct Report(pub Vec<Row>);

impl Report {
    /// For `--json`.
    pub fn json(&self) -> Value {
        json!({ "rows": self.0.iter().map(Row::json).collect::<Vec<_>>() })
    }

    /// What went wrong where nothing may.
    pub fn failures(&self) -> Vec<String> {
        let failed = self.0.iter().filter(|row| row.topology.is_durable() && !row.is_clean());
        failed.map(|row| format!("{} (seed {})", row.topology, row.seed)).collect()
    }
}

/// The table in Markdown, and below it the findings.
pub fn table(report: &Report) -> String {
    let mut text = "| topology | time | faults | acknowledged | lost | gaps | duplicates | disorder | streams without \
                    one end | another log | seed |\n|---|---|---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for row in &report.0 {
        let verdict = &row.verdict;
        let _ = writeln!(
            text,
            "| {} | {} s | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            row.topology,
            row.time.as_secs(),
            row.faults(),
            verdict.acknowledged,
            verdict.lost,
            verdict.gaps,
            verdict.duplicates,
            verdict.disorder,
            verdict.without_one_end,
            verdict.replaced,
            row.seed
        );
    }
    text += "\n| fault | topology | times | longest silence | slowest recovery |\n|---|---|---|---|---|\n";
    for row in &report.0 {
        for (fault, (count, silence, recovery)) in &row.done {
            let (name, topology) = (fault.name(), row.topology);
            let _ = writeln!(text, "| {name} | {topology} | {count} | {silence:.1?} | {recovery:.1?} |");
        }
    }
    for row in &report.0 {
        let verdict = &row.verdict;
        let _ = writeln!(
            text,
            "\n{}: streams ended {:?}; clients were refused {:?} and lost {} connections",
            row.topology, verdict.outcomes, verdict.refused, verdict.dropped
        );
        let findings = row.broken.iter().chain(&row.deaths).chain(&verdict.problems);
        // What loses by design is counted above; a few of its findings show how.
        let shown = if row.topology.is_durable() { usize::MAX } else { EXAMPLES };
        for finding in findings.take(shown) {
            let _ = writeln!(text, "  - {finding}");
        }
    }
    text
}
