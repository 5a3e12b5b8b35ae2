//! `domain-constraint`: NOT VALID. To validate it stops the writers of every table in question all the same, so that is left
//! to people and a quiet hour.

use super::Planned;
use crate::plan::{Plan, Site, Step};
use crate::sql::{AlterAction, ConstraintKind, StmtKind};

pub(super) fn plan(site: &Site<'_>) -> Planned {
    match &site.stmt().kind {
        StmtKind::AlterDomain { action: AlterAction::AddConstraint(constraint), .. } => match constraint.kind
        {
            ConstraintKind::Check(_) => {
                Ok(Plan::Steps(vec![Step::here(format!("{} NOT VALID", site.sql()))]))
            }
            _ => Err("NOT NULL of a domain has no NOT VALID".to_owned()),
        },
        _ => Err(site.elsewhere()),
    }
}
