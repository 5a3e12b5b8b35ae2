//! The highest severity of what the linter finds in each migration.

use std::collections::HashMap;

use refit_lint::{Finding, Severity, lint};
use refit_model::LintSeverity;

use crate::context::Context;
use crate::lint::sources::Sources;

/// The highest severity in each migration of the folder, by stem; a migration without findings is not there.
///
/// A suppressed finding counts as what it was: it is what an approver accepts. Levels in `refit.toml` apply.
///
/// # Errors
/// When the folder cannot be read.
pub(super) fn severities(context: &Context) -> anyhow::Result<HashMap<String, LintSeverity>> {
    let sources = Sources::read(&[], context)?;
    let outcome = lint(&sources.inputs, &sources.config);
    let mut highest: HashMap<String, LintSeverity> = HashMap::new();
    for Finding { path, severity, .. } in outcome.findings.iter().chain(&outcome.suppressed) {
        let severity = match severity {
            Severity::Error => LintSeverity::Error,
            Severity::Warning => LintSeverity::Warn,
            Severity::Note => continue,
        };
        let file = path.rsplit('/').next().unwrap_or(path);
        let stem = file.strip_suffix(".sql").unwrap_or(file).to_owned();
        highest.entry(stem).and_modify(|known| *known = severity.max(*known)).or_insert(severity);
    }
    Ok(highest)
}
