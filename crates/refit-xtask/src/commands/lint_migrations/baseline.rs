//! The baseline: findings that are accepted, by fingerprint. The rest of an entry is for whoever reads the file.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use refit_lint::Finding;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Baseline {
    format: u32,
    findings: Vec<Entry>,
}

#[derive(Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    fingerprint: String,
    rule: String,
    path: String,
}

const FORMAT: u32 = 1;

/// The accepted fingerprints.
///
/// # Errors
/// When the file cannot be read or is no baseline.
pub(super) fn read(file: &Path) -> anyhow::Result<Vec<String>> {
    let shown = file.display();
    let text = fs::read_to_string(file)
        .with_context(|| format!("{shown} cannot be read; --write-baseline writes it"))?;
    let baseline: Baseline = serde_json::from_str(&text)
        .with_context(|| format!("{shown} is no baseline; --write-baseline writes one"))?;
    if baseline.format != FORMAT {
        bail!(
            "{shown} has format {}, this version reads {FORMAT}; --write-baseline renews it",
            baseline.format
        );
    }
    Ok(baseline.findings.into_iter().map(|entry| entry.fingerprint).collect())
}

/// Writes all findings, whole or not at all. Says how many.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn write(file: &Path, findings: &[Finding]) -> anyhow::Result<usize> {
    let entry = |finding: &Finding| Entry {
        fingerprint: finding.fingerprint(),
        rule: finding.rule.to_owned(),
        path: finding.path.clone(),
    };
    let mut findings: Vec<Entry> = findings.iter().map(entry).collect();
    findings.sort();
    let baseline = Baseline { format: FORMAT, findings };
    let text = serde_json::to_string_pretty(&baseline)? + "\n";
    crate::fs::write(file, text.as_bytes())?;
    Ok(baseline.findings.len())
}
