//! `unique-constraint`, `primary-key-constraint`: builds a unique index concurrently, then adds the constraint with it;
//! for a primary key, makes the columns NOT NULL first.

use super::Planned;
use super::proof::{name_of, not_null};

use crate::plan::{Alter, Plan, Site};
use crate::safe::OverIndex;
use crate::sequence::{Runs, Step};
use crate::sql::{AlterAction, ConstraintKind, Name};
use crate::words::Words;

pub(super) fn plan(site: &Site<'_>) -> Planned {
    let alter = site.action()?;
    let AlterAction::AddConstraint(constraint) = alter.action() else { return Err(site.elsewhere()) };
    let (columns, using, primary) = match &constraint.kind {
        ConstraintKind::Unique { columns, using_index } => (columns, using_index, false),
        ConstraintKind::PrimaryKey { columns, using_index } => (columns, using_index, true),
        _ => return Err(site.elsewhere()),
    };
    if site.schema.is_partitioned(alter.table) {
        return Err(format!("{} is partitioned, where CREATE INDEX CONCURRENTLY fails", alter.table));
    }
    let (before, behind) = alter.around()?;
    let mut steps: Vec<Step> = before.map(Step::here).into_iter().collect();
    let indexed = using.as_ref().map(|index| indexed(site, alter.table, index));
    if primary {
        for column in indexed.as_ref().unwrap_or(columns) {
            steps.extend(closed(site, &alter, column)?);
        }
    }
    if using.is_some() {
        steps.push(Step::new(Runs::Apart, "primary key", format!("{} {}", alter.head(), alter.written())));
    } else {
        let name = name_of(site, alter.table, constraint)?;
        steps.extend(over_an_index(&alter, &name, primary)?);
    }
    steps.extend(behind.map(Step::here));
    Ok(Plan::Steps(steps))
}

/// The columns of an index that the set shows.
fn indexed(site: &Site<'_>, table: &Name, index: &Name) -> Vec<String> {
    let key = Name { schema: table.schema.clone(), ..index.clone() }.key();
    let known = site.schema.indexes.get(&key);
    known.map_or(Vec::new(), |index| index.columns.iter().flatten().cloned().collect())
}

/// The steps that make a column NOT NULL unless it is known to be.
fn closed(site: &Site<'_>, alter: &Alter<'_>, column: &str) -> Result<Vec<Step>, String> {
    let known = site.schema.column(alter.table, column).is_some_and(|known| known.not_null);
    match known || site.schema.proves_not_null(alter.table, column) {
        true => Ok(Vec::new()),
        false => not_null(site, alter.head(), alter.table, column, Runs::Apart),
    }
}

/// The index, and the constraint that uses it.
fn over_an_index(alter: &Alter<'_>, name: &str, primary: bool) -> Result<Vec<Step>, String> {
    let odd = || "it has options besides its columns".to_owned();
    let words = Words::of(alter.written());
    let open = words.all.iter().position(|word| word.text == "(").ok_or_else(odd)?;
    let mut last = words.closing(open).ok_or_else(odd)?;
    let list = words.between(open, last).ok_or_else(odd)?;
    let distinct = match words.find(0, &["DISTINCT"]).filter(|at| *at < open) {
        Some(at) if words.all[at - 1].is("NOT") => " NULLS NOT DISTINCT",
        _ => "",
    };
    let mut include = String::new();
    if words.all.get(last + 1).is_some_and(|word| word.is("INCLUDE")) {
        let close = words.closing(last + 2).ok_or_else(odd)?;
        include = format!(" {}", words.between(last + 1, close).ok_or_else(odd)?);
        last = close;
    }
    let attributes = ["NOT", "DEFERRABLE", "INITIALLY", "DEFERRED", "IMMEDIATE"];
    let plain = words.all[last + 1..].iter().all(|word| attributes.iter().any(|known| word.is(known)));
    if !plain || list.to_ascii_uppercase().contains("OVERLAPS") {
        return Err(odd());
    }
    let rest = words.all.get(last + 1).map_or(String::new(), |_| format!(" {}", words.from(last + 1)));
    let index = format!("{list}{include}{distinct}");
    let form = OverIndex { head: alter.head(), table: alter.table(), primary, index: &index, rest: &rest };
    Ok(form.steps(name).into())
}
