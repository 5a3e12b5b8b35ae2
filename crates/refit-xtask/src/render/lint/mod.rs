//! Rendering of a report of the linter; each format has a module.

mod excerpt;
mod fixed;
mod github;
mod gitlab;
mod human;
mod json;
mod sarif;
mod traced;

use std::collections::HashMap;

use refit_lint::{Finding, Outcome};
use refit_model::wording::counted;

use crate::lint::fix::FixOutcome;
use crate::lint::sources::Sources;
use crate::lint::trace::Traced;
use crate::output::Format;
use crate::styled::{Text, text};

/// The inputs and results of linting.
pub(crate) struct Report<'a> {
    pub(crate) sources: &'a Sources,
    pub(crate) outcome: &'a Outcome,
    /// The fixes, with `--fix`.
    pub(crate) fixed: Option<&'a FixOutcome>,
    /// The trace, with `--trace`.
    pub(crate) traced: Option<&'a Traced>,
}

/// The formats of a report.
pub(crate) const FORMATS: &[Format] =
    &[Format::Human, Format::Json, Format::Sarif, Format::Github, Format::Gitlab];

/// A report in a format, without a final newline.
pub(crate) enum Rendered {
    /// For people.
    Text(Text),
    /// A JSON document.
    Document(String),
}

/// Renders a report.
///
/// # Errors
/// When it cannot be serialised.
pub(crate) fn render(report: &Report<'_>, format: Format) -> anyhow::Result<Rendered> {
    Ok(match format {
        Format::Human | Format::Text | Format::Mermaid | Format::Html | Format::Markdown => {
            let fixed = report.fixed.map(fixed::human).unwrap_or_default();
            let traced = report.traced.map(|traced| traced::human(report, traced)).unwrap_or_default();
            Rendered::Text(text![fixed, traced, human::render(report)])
        }
        Format::Json => Rendered::Document(json::render(report)?),
        Format::Sarif => Rendered::Document(sarif::render(report.outcome)?),
        Format::Github => {
            let traced = report.traced.map(traced::github).unwrap_or_default();
            Rendered::Text((traced + &github::render(report.outcome)).into())
        }
        Format::Gitlab => Rendered::Document(gitlab::render(report.outcome)?),
    })
}

/// The counts in one sentence.
fn summary(outcome: &Outcome) -> String {
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
fn lock_sentence(finding: &Finding) -> Option<String> {
    let (lock, table) = (finding.lock?, finding.table.as_deref()?);
    let who = match () {
        () if lock.stops_reads() => ": other sessions cannot read or write it",
        () if lock.stops_writes() => ": other sessions cannot write to it",
        () => "",
    };
    Some(format!("{lock} on {table}{who}"))
}

/// Fingerprints in the order of the findings, made unique: duplicates get a number.
fn unique_fingerprints(findings: &[Finding]) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let unique = |finding: &Finding| {
        let fingerprint = finding.fingerprint();
        let count = seen.entry(fingerprint.clone()).or_default();
        *count += 1;
        if *count == 1 { fingerprint } else { format!("{fingerprint}:{count}") }
    };
    findings.iter().map(unique).collect()
}
