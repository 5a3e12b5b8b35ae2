//! Holds a failed step back if a migration that is held back may create what it lacks.

use tracing::warn;

use crate::error::Error;
use crate::plan::{Gate, HeldStep, Plan, PlannedStep};

/// Whether a failed step may be held back: it names an object that does not exist, and a gate holds a migration back that may create
/// it. The backfill that opens the gate continues, and the next run tries the step again.
pub(crate) fn may_be_held(plan: &Plan, error: &Error) -> bool {
    let waits = |held: &HeldStep| matches!(held.gate, Gate::Backfill { .. } | Gate::After { .. });
    matches!(error, Error::Statement(_))
        && error.sqlstate().is_some_and(|code| UNDEFINED_OBJECT.contains(&code))
        && plan.held.iter().any(waits)
}

/// Holds a failed step back, with a warning that says why.
pub(crate) fn hold(plan: &mut Plan, step: &PlannedStep, error: &Error) {
    let warning = format!(
        "{} is held back, since it failed while other migrations are held back: {}",
        step.stem,
        error.message()
    );
    warn!("{warning}");
    plan.warnings.push(warning);
    let reason = match error {
        Error::Statement(failed) => failed.message.clone(),
        other => other.message(),
    };
    let gate = Gate::Failed { error: reason };
    plan.held.push(HeldStep { version: step.version, stem: step.stem.clone(), gate });
}

/// Undefined tables, columns, functions, other objects and schemas.
const UNDEFINED_OBJECT: [&str; 5] = ["42P01", "42703", "42883", "42704", "3F000"];
