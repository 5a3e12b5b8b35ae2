//! What the rules about changes of an unknown number of rows share.

use crate::batches::Batches;
use crate::check::StatementCheck;
use crate::dml::{Bound, classify};
use crate::lock::LockMode;
use crate::schema::Schema;
use crate::sql::{Change, Dml, DmlKind, Name};

/// How a rule writes a change in batches.
pub(super) struct InBatches {
    /// What the statement does to the rows: `delete`.
    pub(super) verb: &'static str,
    /// The statement for one batch, from the table that it changes, the table that it reads, and the condition that selects
    /// the rows of the batch.
    pub(super) statement: fn(&Name, &Name, &str) -> String,
}

/// Reports each unbounded change of a kind.
pub(super) fn report(check: &mut StatementCheck<'_>, kind: DmlKind, batches: &InBatches) {
    // `backfill-without-range` covers backfills in more detail.
    if check.file.directives.backfill.is_some() {
        return;
    }
    let stmt = check.stmt;
    for change in stmt.kind.changes().into_iter().filter(|change| change.dml.kind == kind) {
        let dml = change.dml;
        let Some(why) = unbounded(check, &change) else { continue };
        let verb = match kind {
            DmlKind::Update => "UPDATE of",
            DmlKind::Delete => "DELETE from",
            DmlKind::Insert => "INSERT into",
            DmlKind::Merge => "MERGE into",
        };
        let waits = match kind {
            DmlKind::Insert => "one transaction that lasts until all rows are copied",
            _ => "all rows that it changes stay locked until commit",
        };
        let table = &dml.table;
        let from = match kind {
            DmlKind::Insert | DmlKind::Merge => dml.source_tables().first().copied().unwrap_or(table),
            DmlKind::Update | DmlKind::Delete => table,
        };
        let lead = format!("{} in batches, in its own migration", batches.verb);
        let help = backfill_help(check.schema, from, &lead, |range| (batches.statement)(table, from, range));
        check
            .report_at(dml.span, format!("{verb} {table} is not bounded: {why}; {waits}"))
            .lock(LockMode::RowExclusive, table)
            .help(help);
    }
}

/// A help text: the backfill that walks a table, and its statement, made from the condition that selects a batch.
pub(super) fn backfill_help(
    schema: &Schema,
    table: &Name,
    lead: &str,
    statement: impl FnOnce(&str) -> String,
) -> String {
    let Batches { directive, range, .. } = Batches::or_by_id(schema, table);
    format!("{lead}:\n-- refit: backfill = {directive}\n{}", statement(&range))
}

/// Why a change is unbounded; `None` if it is bounded or no other session can see its rows.
pub(super) fn unbounded(check: &StatementCheck<'_>, change: &Change<'_>) -> Option<&'static str> {
    let Bound::Unbounded(why) = classify(change, check.schema) else { return None };
    let dml = change.dml;
    let aside = match dml.kind {
        DmlKind::Update | DmlKind::Delete => check.is_new(&dml.table),
        DmlKind::Merge => check.is_new(&dml.table) || all_new(check, dml),
        // A new table can be filled from a large one; then reading takes the time.
        DmlKind::Insert => check.is_temporary(&dml.table) || all_new(check, dml),
    };
    (!aside).then_some(why)
}

/// Whether all rows that a change reads come from tables that this migration created.
fn all_new(check: &StatementCheck<'_>, dml: &Dml) -> bool {
    let tables = dml.source_tables();
    !tables.is_empty() && tables.iter().all(|table| check.is_new(table))
}
