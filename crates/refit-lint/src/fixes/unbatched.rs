//! `unbatched-update`, `unbatched-delete`: the same statement in batches by primary key, as a backfill.

use super::Planned;
use super::proof::walked;
use crate::plan::{Plan, Site};
use crate::sequence::{Runs, Step};
use crate::sql::{Dml, DmlKind, Expr, FromItem, Literal, StmtKind};
use crate::words::Words;

pub(super) fn plan(site: &Site<'_>) -> Planned {
    let StmtKind::Dml(dml) = &site.stmt().kind else { return Err(site.elsewhere()) };
    if dml.span != site.finding.span && site.finding.span.start != site.stmt().span.start {
        return Err("it is inside another statement".to_owned());
    }
    let words = Words::of(site.sql());
    if !dml.ctes.is_empty() || words.all.first().is_some_and(|word| word.is("WITH")) {
        return Err("its WITH would run once per batch".to_owned());
    }
    if words.find(0, &["RETURNING"]).is_some() {
        return Err("a backfill discards the rows that RETURNING returns".to_owned());
    }
    if reads_itself(dml) {
        return Err(format!(
            "it reads {} while it changes it: in batches the result would differ",
            dml.table
        ));
    }
    let joined = !dml.from.is_empty() || dml.alias.is_some();
    let alias = dml.alias.as_deref().unwrap_or(&dml.table.name);
    let fill = walked(site, &dml.table, joined.then_some(alias))?;
    if dml.columns.iter().any(|(column, _)| fill.key.contains(column)) {
        return Err("it changes the key that the batches use".to_owned());
    }
    let verb = if dml.kind == DmlKind::Update { "update" } else { "delete from" };
    let title = format!("{verb} {} in batches", dml.table.name);
    let sql = ranged(site.sql(), &words, &fill.range, dml.filter.as_ref());
    Ok(Plan::Steps(vec![Step::new(Runs::Backfill(fill.directive), title, sql)]))
}

/// The statement with the range of a batch as its first condition.
fn ranged(sql: &str, words: &Words<'_>, range: &str, filter: Option<&Expr>) -> String {
    let Some(at) = words.find(0, &["WHERE"]).map(|at| words.all[at].at.end) else {
        return format!("{sql} WHERE {range}");
    };
    let (head, condition) = sql.split_at(at);
    match filter {
        Some(Expr::Or(_)) => format!("{head} {range} AND ({})", condition.trim_start()),
        Some(Expr::Literal(Literal::Bool(true))) => format!("{head} {range}"),
        _ => format!("{head} {range} AND{condition}"),
    }
}

/// Whether it reads rows of the table other than the one it changes.
fn reads_itself(dml: &Dml) -> bool {
    let key = dml.table.key();
    let in_from = dml.source_tables().into_iter().any(|table| table.key() == key);
    let values = dml.columns.iter().filter_map(|(_, value)| value.as_ref());
    let queries = values.chain(&dml.filter).chain(&dml.on).flat_map(Expr::queries);
    let mut found = in_from;
    for query in queries {
        query.walk(&mut |query| {
            found |= query.from.iter().any(|item| match item {
                FromItem::Table { name, .. } => name.key() == key,
                _ => false,
            });
        });
    }
    found
}
