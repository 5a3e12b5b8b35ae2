//! `check-validated`, `foreign-key-validated`: adds NOT VALID, and VALIDATE in a later migration.

use super::Planned;
use super::proof::name_of;
use refit_model::quoted_name as quoted;

use crate::plan::{Plan, Site};
use crate::sequence::{Runs, Step};
use crate::sql::{AlterAction, ConstraintKind};
use crate::words::{Words, inserted};

pub(super) fn plan(site: &Site<'_>) -> Planned {
    let alter = site.action()?;
    let AlterAction::AddConstraint(constraint) = alter.action() else { return Err(site.elsewhere()) };
    let is_key = matches!(constraint.kind, ConstraintKind::ForeignKey { .. });
    if is_key && site.schema.is_partitioned(alter.table) && site.postgres < 18 {
        return Err(format!("{} is partitioned, where NOT VALID fails up to PostgreSQL 17", alter.table));
    }
    let name = name_of(site, alter.table, constraint)?;
    let written = quoted(&name);
    let words = Words::of(alter.written());
    let mut action = alter.written().to_owned();
    if constraint.name.is_none()
        && let Some(add) = words.all.first()
    {
        action = inserted(&action, &[(add.at.end, &format!(" CONSTRAINT {written}"))]);
    }
    let validate = format!("{} VALIDATE CONSTRAINT {written}", alter.head());
    Ok(Plan::Steps(vec![
        Step::here(alter.with(&format!("{action} NOT VALID"))),
        Step::new(Runs::Later, format!("validate {name}"), validate),
    ]))
}
