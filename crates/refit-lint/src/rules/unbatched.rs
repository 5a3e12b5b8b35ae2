//! What the rules about changes of an unknown number of rows share.

use crate::check::StatementCheck;
use crate::dml::{Bound, classify};
use crate::lock::LockMode;
use crate::schema::Schema;
use crate::sql::{Change, Dml, DmlKind};

/// Reports each unbounded change of a kind, with the help text that `help` returns.
pub(super) fn report(check: &mut StatementCheck<'_>, kind: DmlKind, help: fn(&Dml, &Schema) -> String) {
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
        let help = help(dml, check.schema);
        check
            .report_at(dml.span, format!("{verb} {table} is not bounded: {why}; {waits}"))
            .lock(LockMode::RowExclusive, table)
            .help(help);
    }
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
