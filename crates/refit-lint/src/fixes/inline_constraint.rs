//! `inline-constraint`: adds the column first, then its constraint in the safe form of `check-validated`,
//! `foreign-key-validated` or `unique-constraint`.

use super::Planned;
use super::proof::{free_name, short};
use refit_model::quoted_name as quoted;

use crate::plan::{Alter, Plan, Site};
use crate::safe::{OverIndex, validated};
use crate::schema::constraint_name;
use crate::sequence::{Runs, Step};
use crate::sql::{AlterAction, Column, Constraint, ConstraintKind};
use crate::words::{Words, without_last_comment};

pub(super) fn plan(site: &Site<'_>) -> Planned {
    let alter = site.action()?;
    let AlterAction::AddColumn { column, if_not_exists: false } = alter.action() else {
        return Err("the column may already exist".to_owned());
    };
    let found = site.finding.span;
    let constraint = column.constraints.iter().find(|constraint| constraint.span == found);
    let constraint = constraint.ok_or_else(|| site.elsewhere())?;
    let written = site.written(constraint.span);
    let mut steps = vec![Step::here(without(site, &alter, constraint))];
    let words = Words::of(written);
    let (head, own) = (alter.head(), quoted(&column.name));
    let name = name_of(site, &alter, column, constraint)?;
    let from =
        |keyword: &str| words.find(0, &[keyword]).map(|at| words.from(at)).ok_or_else(|| site.elsewhere());
    match &constraint.kind {
        ConstraintKind::Check(_) => {
            let condition = from("CHECK")?;
            steps.extend(validated(head, &name, condition, Runs::Here));
        }
        ConstraintKind::ForeignKey { .. } => {
            let target = from("REFERENCES")?;
            let key = format!("FOREIGN KEY ({own}) {target}");
            steps.extend(validated(head, &name, &key, Runs::Apart));
        }
        ConstraintKind::Unique { .. } => {
            let last = words.all.last().is_some_and(|word| word.is("UNIQUE"));
            if !last {
                return Err("it has options besides UNIQUE".to_owned());
            }
            let index = format!("({own})");
            let form = OverIndex { head, table: alter.table(), primary: false, index: &index, rest: "" };
            steps.extend(form.steps(&name));
        }
        _ => return Err("a primary key needs a value in every row, and only you know the values".to_owned()),
    }
    Ok(Plan::Steps(steps))
}

/// The statement without the constraint.
fn without(site: &Site<'_>, alter: &Alter<'_>, constraint: &Constraint) -> String {
    let (start, end) = (constraint.span.start as usize, constraint.span.end as usize);
    let span = alter.actions[alter.at].0;
    let before = without_last_comment(&site.text[span.start as usize..start]);
    alter.with(&format!("{before}{}", &site.text[end..span.end as usize]))
}

/// The name that the server would give the constraint.
fn name_of(
    site: &Site<'_>,
    alter: &Alter<'_>,
    column: &Column,
    constraint: &Constraint,
) -> Result<String, String> {
    if let Some(name) = &constraint.name {
        return short(name.clone());
    }
    let mut whole = constraint.clone();
    match &mut whole.kind {
        ConstraintKind::ForeignKey { columns, .. } | ConstraintKind::Unique { columns, .. } => {
            *columns = vec![column.name.clone()];
        }
        _ => {}
    }
    free_name(site, alter.table, &constraint_name(alter.table, &whole))
}
