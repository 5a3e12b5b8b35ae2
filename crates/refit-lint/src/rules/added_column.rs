//! What the rules about ADD COLUMN share.

use crate::batches::Batches;
use crate::check::StatementCheck;
use crate::lock::LockMode;
use crate::schema::Schema;
use crate::sql::{AlterAction, Column, Name};

/// Columns that a statement adds to a table that was there before this migration.
pub(super) fn added_columns<'a>(check: &StatementCheck<'a>) -> Vec<(&'a Name, &'a Column)> {
    let Some((table, actions)) = check.alters() else { return Vec::new() };
    let column = |action: &'a AlterAction| match action {
        AlterAction::AddColumn { column, .. } => Some((table, column)),
        _ => None,
    };
    actions.iter().filter_map(|(_, action)| column(action)).collect()
}

/// The type as written, in a form that can be pasted.
pub(super) fn type_of(column: &Column) -> String {
    column.data_type.as_ref().map_or("…".to_owned(), ToString::to_string)
}

/// Reports that a column makes the server write every row of the table anew. `because` follows "as"; `steps` is SQL.
pub(super) fn report_rewrite(
    check: &mut StatementCheck<'_>,
    table: &Name,
    column: &Column,
    because: &str,
    help: String,
) {
    let message = format!(
        "adding {name} rewrites {table}, as {because}; reads and writes of it wait until that is done",
        name = column.name,
    );
    check.report_at(column.span, message).lock(LockMode::AccessExclusive, table).help(help);
}

/// The steps that give every row a value of its own: the column, its default for new rows, and a backfill for the old.
pub(super) fn in_steps(
    (table, schema): (&Name, &Schema),
    column: &Column,
    data_type: &str,
    before: &str,
    value: &str,
) -> String {
    let Batches { directive, range, .. } = Batches::or_by_id(schema, table);
    let name = super::quoted(&column.name);
    format!(
        "add it empty, give new rows their value, and fill the old ones in batches:\n\
         ALTER TABLE {table} ADD COLUMN {name} {data_type};\n\
         {before}ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT {value};\n\
         -- in the next migration\n\
         -- refit: backfill = {directive}\n\
         UPDATE {table} SET {name} = {value} WHERE {range} AND {name} IS NULL;"
    )
}
