//! `validate-in-same-transaction`: moves VALIDATE to a migration after this one.

use super::Planned;
use crate::plan::{Plan, Site};
use crate::sequence::{Runs, Step};
use crate::sql::AlterAction;

pub(super) fn plan(site: &Site<'_>) -> Planned {
    let alter = site.action()?;
    let AlterAction::ValidateConstraint(name) = alter.action() else { return Err(site.elsewhere()) };
    let (before, behind) = alter.around()?;
    let mut steps: Vec<Step> = before.into_iter().chain(behind).map(Step::here).collect();
    let validate = format!("{} {}", alter.head(), alter.written());
    steps.push(Step::new(Runs::Later, format!("validate {name}"), validate));
    Ok(Plan::Steps(steps))
}
