//! JSON output; its schema is `docs/lint-schema.json`.

use refit_lint::Finding;
use serde::Serialize;

use super::{Report, fixed, traced};

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    summary: Summary,
    findings: Vec<Entry<'a>>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    fixed: Option<fixed::Document<'a>>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    traced: Option<traced::Document<'a>>,
}

#[derive(Serialize)]
struct Summary {
    files: usize,
    findings: usize,
    errors: usize,
    warnings: usize,
    suppressed: usize,
}

#[derive(Serialize)]
struct Entry<'a> {
    rule: &'a str,
    severity: &'a str,
    path: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    message: &'a str,
    help: &'a str,
    lock: Option<String>,
    table: Option<&'a str>,
}

pub(super) fn render(report: &Report<'_>) -> anyhow::Result<String> {
    let outcome = report.outcome;
    let fixed = report.fixed.map(fixed::document);
    let traced = report.traced.map(traced::document);
    let counts = &outcome.summary;
    let summary = Summary {
        files: counts.files,
        findings: counts.findings,
        errors: counts.errors,
        warnings: counts.warnings,
        suppressed: counts.suppressed,
    };
    let findings = outcome.findings.iter().map(entry).collect();
    Ok(serde_json::to_string_pretty(&Document { format: 1, summary, findings, fixed, traced })?)
}

fn entry(finding: &Finding) -> Entry<'_> {
    Entry {
        rule: finding.rule,
        severity: finding.severity.as_str(),
        path: &finding.path,
        line: finding.start.line,
        column: finding.start.column,
        end_line: finding.end.line,
        end_column: finding.end.column,
        message: &finding.message,
        help: &finding.help,
        lock: finding.lock.map(|lock| lock.to_string()),
        table: finding.table.as_deref(),
    }
}
