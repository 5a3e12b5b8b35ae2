//! The baseline: accepted findings, identified by fingerprint. The other fields of an entry are only for people.

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

/// Reads the accepted fingerprints.
///
/// # Errors
/// When the file cannot be read or is not a baseline.
pub(crate) fn read(file: &Path) -> anyhow::Result<Vec<String>> {
    let shown = file.display();
    let text = fs::read_to_string(file)
        .with_context(|| format!("cannot read {shown}; --write-baseline creates it"))?;
    let baseline: Baseline = serde_json::from_str(&text)
        .with_context(|| format!("{shown} is not a baseline; --write-baseline creates one"))?;
    if baseline.format != FORMAT {
        bail!(
            "{shown} has format {}, but this version reads {FORMAT}; --write-baseline updates it",
            baseline.format
        );
    }
    Ok(baseline.findings.into_iter().map(|entry| entry.fingerprint).collect())
}

/// Writes all findings atomically. Returns their number.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write(file: &Path, findings: &[Finding]) -> anyhow::Result<usize> {
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
