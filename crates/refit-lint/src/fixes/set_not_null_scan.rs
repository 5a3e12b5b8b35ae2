//! `set-not-null-scan`: proves it with a CHECK that is validated first; from PostgreSQL 18 on, with NOT NULL NOT VALID.

use super::Planned;
use super::proof::{name_of, not_null};
use refit_model::quoted_name as quoted;

use crate::plan::{Plan, Site};
use crate::sequence::{Runs, Step};
use crate::sql::{AlterAction, ColumnChange};

pub(super) fn plan(site: &Site<'_>) -> Planned {
    let alter = site.action()?;
    let (before, behind) = alter.around()?;
    let mut steps: Vec<Step> = before.map(Step::here).into_iter().collect();
    match alter.action() {
        AlterAction::AlterColumn { column, change: ColumnChange::SetNotNull } => {
            steps.extend(not_null(site, alter.head(), alter.table, column, Runs::Here)?);
        }
        AlterAction::AddConstraint(constraint) if constraint.name.is_some() => {
            let name = name_of(site, alter.table, constraint)?;
            let head = alter.head();
            steps.push(Step::here(format!("{head} {} NOT VALID", alter.written())));
            let validate = format!("{head} VALIDATE CONSTRAINT {}", quoted(&name));
            steps.push(Step::new(Runs::Later, format!("validate {name}"), validate));
        }
        _ => return Err(site.elsewhere()),
    }
    steps.extend(behind.map(Step::here));
    Ok(Plan::Steps(steps))
}
