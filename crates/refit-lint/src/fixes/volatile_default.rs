//! `volatile-default`: adds the column empty, sets its default for new rows, backfills existing rows, then makes it NOT
//! NULL.

use super::Planned;
use super::proof::{not_null, walked};
use refit_model::quoted_name as quoted;

use crate::plan::{Alter, Plan, Site};
use crate::sequence::{Runs, Step};
use crate::sql::{AlterAction, Column, ConstraintKind};
use crate::words::Words;

pub(super) fn plan(site: &Site<'_>) -> Planned {
    let alter = site.action()?;
    let AlterAction::AddColumn { column, if_not_exists: false } = alter.action() else {
        return Err("the column may already exist".to_owned());
    };
    let words = Words::of(alter.written());
    let default = default_of(&words).ok_or_else(|| site.elsewhere())?;
    let value = words.between(default.start + 1, default.end).unwrap_or_default();
    let (rest, closed) = stripped(column, &words, default)?;
    let name = quoted(&column.name);
    let mut steps = vec![
        Step::here(alter.with(&rest)),
        Step::here(format!("{} ALTER COLUMN {name} SET DEFAULT {value}", alter.head())),
    ];
    steps.extend(filled(site, &alter, column, value, closed)?);
    Ok(Plan::Steps(steps))
}

/// The backfill of a new column, and NOT NULL after it.
///
/// # Errors
///
/// If there is no key to walk the table by.
pub(super) fn filled(
    site: &Site<'_>,
    alter: &Alter<'_>,
    column: &Column,
    value: &str,
    closed: bool,
) -> Result<Vec<Step>, String> {
    let (table, name) = (alter.table, quoted(&column.name));
    let fill = walked(site, table, None)?;
    let sql =
        format!("UPDATE {} SET {name} = {value} WHERE {} AND {name} IS NULL", alter.table(), fill.range);
    let title = format!("fill {} {}", table.name, column.name);
    let mut steps = vec![Step::new(Runs::Backfill(fill.directive), title, sql)];
    if closed {
        steps.extend(not_null(site, alter.head(), table, &column.name, Runs::Apart)?);
    }
    Ok(steps)
}

/// Keywords that can follow a default and are not part of it.
const BEHIND: [&str; 10] = [
    "CONSTRAINT",
    "NOT",
    "NULL",
    "CHECK",
    "UNIQUE",
    "PRIMARY",
    "REFERENCES",
    "GENERATED",
    "DEFERRABLE",
    "COLLATE",
];

/// The words from DEFAULT to the end of its value.
fn default_of(words: &Words<'_>) -> Option<std::ops::Range<usize>> {
    let at = words.find(0, &["DEFAULT"])?;
    // The first word of the value can be anything.
    let end = words.find(at + 2, &BEHIND).unwrap_or(words.all.len());
    (end > at + 1).then_some(at..end - 1)
}

/// ADD COLUMN without some words and without NOT NULL, and whether it had NOT NULL.
///
/// # Errors
///
/// If the column has other constraints.
pub(super) fn stripped(
    column: &Column,
    words: &Words<'_>,
    gone: std::ops::Range<usize>,
) -> Result<(String, bool), String> {
    let is_plain = |kind: &ConstraintKind| matches!(kind, ConstraintKind::NotNull(_) | ConstraintKind::Null);
    if !column.constraints.iter().all(|constraint| is_plain(&constraint.kind) && constraint.name.is_none()) {
        return Err("the column has a constraint that comes first".to_owned());
    }
    let closed = column.constraints.iter().any(|one| matches!(one.kind, ConstraintKind::NotNull(_)));
    let mut kept = Vec::new();
    let mut at = 0;
    while let Some(word) = words.all.get(at) {
        let next_is = |keyword: &str| words.all.get(at + 1).is_some_and(|next| next.is(keyword));
        if gone.contains(&at) || at == gone.end {
            at += 1;
        } else if word.depth == 0 && word.is("NOT") && next_is("NULL") {
            at += 2;
        } else {
            kept.push(at);
            at += 1;
        }
    }
    // The rest stays as written; a removed part takes the space before it along.
    let mut text = String::new();
    let mut last: Option<usize> = None;
    for at in kept {
        match last {
            Some(last) if last + 1 == at => {
                let whole = words.between(last, at).unwrap_or_default();
                text.push_str(&whole[words.all[last].text.len()..]);
            }
            Some(_) => {
                text.push(' ');
                text.push_str(words.all[at].text);
            }
            None => text.push_str(words.all[at].text),
        }
        last = Some(at);
    }
    Ok((text, closed))
}
