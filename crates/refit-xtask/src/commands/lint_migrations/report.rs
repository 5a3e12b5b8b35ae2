//! Renders the report; each format has a module.

use std::collections::HashMap;

use refit_lint::{Finding, Outcome};
use refit_model::wording::counted;

use super::sources::Sources;
use super::{fix, github, gitlab, human, json, sarif, trace, traced};
use crate::output::Format;

/// The inputs and results of linting.
pub(super) struct Report<'a> {
    pub(super) sources: &'a Sources,
    pub(super) outcome: &'a Outcome,
    /// The fixes, with `--fix`.
    pub(super) fixed: Option<&'a fix::FixOutcome>,
    /// The trace, with `--trace`.
    pub(super) traced: Option<&'a trace::Traced>,
}

/// The formats of a report.
pub(super) const FORMATS: &[Format] =
    &[Format::Human, Format::Json, Format::Sarif, Format::Github, Format::Gitlab];

/// The report in a format, without a final newline.
pub(super) fn render(report: &Report<'_>, format: Format) -> anyhow::Result<String> {
    match format {
        Format::Human | Format::Text | Format::Mermaid | Format::Html => {
            let fixed = report.fixed.map(fix::human).unwrap_or_default();
            let traced = report.traced.map(|traced| traced::human(report, traced)).unwrap_or_default();
            Ok(fixed + &traced + &human::render(report))
        }
        Format::Json => json::render(report),
        Format::Sarif => sarif::render(report.outcome),
        Format::Github => {
            let traced = report.traced.map(traced::github).unwrap_or_default();
            Ok(traced + &github::render(report.outcome))
        }
        Format::Gitlab => gitlab::render(report.outcome),
    }
}

/// The counts in one sentence.
pub(super) fn summary(outcome: &Outcome) -> String {
    let summary = &outcome.summary;
    let notes = summary.findings - summary.errors - summary.warnings;
    let mut text = format!("{}, {}: ", counted(summary.files, "file"), counted(summary.rules, "rule"));
    if summary.findings == 0 {
        text.push_str("no findings");
    } else {
        text.push_str(&format!(
            "{} ({}, {}, {})",
            counted(summary.findings, "finding"),
            counted(summary.errors, "error"),
            counted(summary.warnings, "warning"),
            counted(notes, "note")
        ));
    }
    text.push_str(&format!(", {} suppressed", summary.suppressed));
    text
}

/// The lock that the statement holds, and what it blocks. An earlier statement may have taken it.
pub(super) fn lock_sentence(finding: &Finding) -> Option<String> {
    let (lock, table) = (finding.lock?, finding.table.as_deref()?);
    let who = match () {
        () if lock.stops_reads() => ": other sessions cannot read or write it",
        () if lock.stops_writes() => ": other sessions cannot write to it",
        () => "",
    };
    Some(format!("{lock} on {table}{who}"))
}

/// Fingerprints in the order of the findings, made unique: duplicates get a number.
pub(super) fn unique_fingerprints(findings: &[Finding]) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let unique = |finding: &Finding| {
        let fingerprint = finding.fingerprint();
        let count = seen.entry(fingerprint.clone()).or_default();
        *count += 1;
        if *count == 1 { fingerprint } else { format!("{fingerprint}:{count}") }
    };
    findings.iter().map(unique).collect()
}
