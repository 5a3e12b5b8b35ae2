//! `domain-constraint`: adds NOT VALID. Validating it would still block writes to every table that uses the domain, so
//! the user has to choose when to do that.

use super::Planned;
use crate::plan::{Plan, Site};
use crate::sequence::Step;
use crate::sql::{AlterAction, ConstraintKind, StmtKind};

pub(super) fn plan(site: &Site<'_>) -> Planned {
    match &site.stmt().kind {
        StmtKind::AlterDomain { action: AlterAction::AddConstraint(constraint), .. } => match constraint.kind
        {
            ConstraintKind::Check(_) => {
                Ok(Plan::Steps(vec![Step::here(format!("{} NOT VALID", site.sql()))]))
            }
            _ => Err("NOT NULL of a domain cannot be NOT VALID".to_owned()),
        },
        _ => Err(site.elsewhere()),
    }
}
