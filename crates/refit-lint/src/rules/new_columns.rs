//! What the rules about column types share: the columns that a statement defines.

use crate::check::StatementCheck;
use crate::sql::{AlterAction, AlterTarget, Column, ConstraintKind, DataType, Name, StmtKind};

/// The table and columns that a statement creates or adds, except those of temporary tables.
pub(super) fn new_columns<'s>(check: &StatementCheck<'s>) -> Vec<(&'s Name, &'s Column)> {
    match &check.stmt.kind {
        StmtKind::CreateTable(create) if !create.temporary => {
            create.columns.iter().map(|column| (&create.name, column)).collect()
        }
        StmtKind::Alter { target: AlterTarget::Table, table, actions } => actions
            .iter()
            .filter_map(|(_, action)| match action {
                AlterAction::AddColumn { column, .. } => Some((table, column)),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Reports each new column for which `why` returns a complaint about the type and a better type.
pub(super) fn advise(
    check: &mut StatementCheck<'_>,
    why: impl Fn(&DataType) -> Option<(&'static str, &'static str)>,
) {
    for (table, column) in new_columns(check) {
        let Some((complaint, better)) = column.data_type.as_ref().and_then(&why) else { continue };
        let name = &column.name;
        check
            .report_at(column.span, format!("{table}.{name}: {complaint}"))
            .table(table)
            .help(format!("write it as:\n{} {better}", super::quoted(name)));
    }
}

/// Whether a column is its table's primary key, by a constraint on the column or on the table.
pub(super) fn is_primary_key(check: &StatementCheck<'_>, column: &Column) -> bool {
    let by_table = match &check.stmt.kind {
        StmtKind::CreateTable(create) => create.constraints.iter().any(|constraint| {
            matches!(&constraint.kind, ConstraintKind::PrimaryKey { columns, .. } if columns.contains(&column.name))
        }),
        _ => false,
    };
    by_table
        || column
            .constraints
            .iter()
            .any(|constraint| matches!(constraint.kind, ConstraintKind::PrimaryKey { .. }))
}
