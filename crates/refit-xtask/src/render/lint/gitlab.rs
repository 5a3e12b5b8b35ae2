//! A GitLab code quality report.

use refit_lint::{Outcome, Severity};
use serde_json::{Value, json};

use super::unique_fingerprints;

pub(super) fn render(outcome: &Outcome) -> anyhow::Result<String> {
    let fingerprints = unique_fingerprints(&outcome.findings);
    let entries = outcome.findings.iter().zip(fingerprints).map(|(finding, fingerprint)| {
        json!({
            "description": finding.message,
            "check_name": finding.rule,
            "fingerprint": fingerprint,
            "severity": match finding.severity {
                Severity::Error => "critical",
                Severity::Warning => "minor",
                Severity::Note => "info",
            },
            "location": {
                "path": finding.path,
                "lines": { "begin": finding.start.line, "end": finding.end.line },
            },
        })
    });
    Ok(serde_json::to_string_pretty(&entries.collect::<Vec<Value>>())?)
}
