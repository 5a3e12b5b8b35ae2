//! What `lint-migrations` does around the linter: files, levels, baseline, fixes, and traces.

pub(crate) mod baseline;
pub(crate) mod conflicts;
pub(crate) mod fix;
pub(crate) mod levels;
pub(crate) mod since;
pub(crate) mod sources;
pub(crate) mod trace;

use refit_lint::{Finding, Outcome, Severity};

use sources::Sources;

/// Adds a finding that is not of a rule, at its place, so that all formats report it.
pub(crate) fn insert(finding: Finding, sources: &Sources, outcome: &mut Outcome) {
    let order = |finding: &Finding| {
        let file = sources.inputs.iter().position(|input| input.path == finding.path);
        (file.unwrap_or(usize::MAX), finding.span.start)
    };
    let at = outcome.findings.partition_point(|known| order(known) <= order(&finding));
    let Outcome { findings, summary, .. } = outcome;
    summary.findings += 1;
    summary.errors += usize::from(finding.severity == Severity::Error);
    summary.warnings += usize::from(finding.severity == Severity::Warning);
    findings.insert(at, finding);
}
