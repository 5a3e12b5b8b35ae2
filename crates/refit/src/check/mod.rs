//! Running checks, and what their results mean for a run.

mod record;
mod recorded;
mod run;
mod verdict;

use crate::report::{CheckResult, Verdict};

pub(crate) use record::{Occasion, record};
pub(crate) use recorded::recorded;
pub(crate) use run::{Surroundings, run};

/// What failed, a line for each check, as an error shows it.
pub(crate) fn failures(results: &[CheckResult]) -> Vec<String> {
    let failed = results.iter().filter(|result| result.verdict == Verdict::Failed);
    let line = |result: &CheckResult| {
        let details = result.lines();
        let first = details.first().map_or(String::new(), |line| format!(": {}", line.text));
        format!("{} ({}:{}){first}", result.name, result.path, result.line)
    };
    failed.map(line).collect()
}

/// What was warned of, a line for each check.
pub(crate) fn warnings(results: &[CheckResult]) -> impl Iterator<Item = String> {
    let warned = results.iter().filter(|result| result.verdict == Verdict::Warned);
    warned.map(|result| format!("the check {} ({}:{}) warns", result.name, result.path, result.line))
}
