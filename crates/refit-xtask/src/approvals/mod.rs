//! Approvals of the migrations folder: what the linter finds now, who wrote what, and which approvals count.

pub(crate) mod authors;
mod severity;
pub(crate) mod sign;
pub(crate) mod write;

use anyhow::anyhow;
use refit_model::{ApprovalCount, Approvals, LintSeverity, MigrationSet, SetStep, nearest, version_of};

use crate::context::Context;
use authors::Authors;

/// A migration, and what is known about its approvals.
pub(crate) struct Reviewed<'a> {
    pub(crate) step: SetStep<'a>,
    /// What the linter finds now.
    pub(crate) found: LintSeverity,
    /// Who wrote it, as far as git knows.
    pub(crate) authors: Vec<String>,
    pub(crate) count: ApprovalCount<'a>,
}

impl Reviewed<'_> {
    /// The higher one of what the linter finds now and what is recorded.
    pub(crate) fn severity(&self) -> LintSeverity {
        self.count.severity.map_or(self.found, |recorded| recorded.max(self.found))
    }

    /// How many approvals it needs.
    pub(crate) fn needed(&self, required: &Approvals) -> u32 {
        required.of(Some(self.severity()))
    }

    /// How many are missing.
    pub(crate) fn missing(&self, required: &Approvals) -> u32 {
        self.needed(required).saturating_sub(self.count.counted())
    }

    /// Whether a run would demand more than it needs, because it does not know what the linter finds.
    pub(crate) fn is_unrecorded(&self, required: &Approvals) -> bool {
        self.count.missing(required) > self.missing(required)
    }
}

/// Reviews migrations: those with a reference (`V0012`, `R__views`), or all of the environment if there is none.
///
/// # Errors
/// When a reference names no migration, or the files cannot be read.
pub(crate) fn review<'a>(
    set: &'a MigrationSet,
    references: &[String],
    authors: &Authors,
    context: &'a Context,
) -> anyhow::Result<Vec<Reviewed<'a>>> {
    let steps: Vec<SetStep<'a>> = match references.is_empty() {
        true => set.steps_in(&context.global.environment, None).collect(),
        false => references.iter().map(|reference| step_of(set, reference)).collect::<anyhow::Result<_>>()?,
    };
    let severities = severity::severities(context)?;
    let reviewed = |step: SetStep<'a>| {
        let stem = step.file().stem.as_str();
        let authors = authors.of(stem);
        Reviewed {
            step,
            found: severities.get(stem).copied().unwrap_or(LintSeverity::Clean),
            count: set.approvals_of(step, &authors),
            authors,
        }
    };
    Ok(steps.into_iter().map(reviewed).collect())
}

/// The migration that a reference names.
fn step_of<'a>(set: &'a MigrationSet, reference: &str) -> anyhow::Result<SetStep<'a>> {
    let found = match version_of(reference) {
        Some(version) => set.migration(version).map(SetStep::Versioned),
        None => set.repeatable(reference).map(SetStep::Repeatable),
    };
    found.ok_or_else(|| {
        let near = nearest(reference, set.steps().map(|step| step.file().stem.as_str()));
        let near = near.map_or(String::new(), |near| format!("; is {near} meant?"));
        anyhow!("there is no migration {reference}{near}")
    })
}

/// How many approvals migrations need in an environment: none if it has no profile.
pub(crate) fn required(set: &MigrationSet, environment: &str) -> Approvals {
    set.settings().environment.get(environment).map(|profile| profile.approvals).unwrap_or_default()
}

/// How a command line names a migration: `V0012`, `R__views`.
pub(crate) fn reference_of(step: SetStep<'_>) -> &str {
    match step {
        SetStep::Versioned(migration) => migration.label(),
        SetStep::Repeatable(repeatable) => &repeatable.stem,
    }
}
