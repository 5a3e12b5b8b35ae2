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

/// Reports that adding a column rewrites the table. `because` completes "as …"; `help` holds the steps in SQL.
pub(super) fn report_rewrite(
    check: &mut StatementCheck<'_>,
    table: &Name,
    column: &Column,
    because: &str,
    help: String,
) {
    let message = format!(
        "adding {name} rewrites {table}, as {because}; reads and writes of {table} wait until the rewrite is done",
        name = column.name,
    );
    check.report_at(column.span, message).lock(LockMode::AccessExclusive, table).help(help);
}

/// Reports an added column whose values come from a sequence; `data_type` is its type without one.
pub(super) fn report_sequence(
    check: &mut StatementCheck<'_>,
    table: &Name,
    column: &Column,
    data_type: Option<&str>,
) {
    let sequence = Name { name: format!("{}_{}_seq", table.name, column.name), ..table.clone() };
    let of_type = data_type.map(|name| format!(" AS {name}")).unwrap_or_default();
    let create =
        format!("CREATE SEQUENCE {sequence}{of_type} OWNED BY {table}.{};\n", super::quoted(&column.name));
    let value = format!("nextval('{}')", sequence.to_string().replace('\'', "''"));
    let data_type = data_type.map_or_else(|| type_of(column), str::to_owned);
    let help = in_steps((table, check.schema), column, &data_type, &create, &value);
    report_rewrite(check, table, column, "every row gets its own number", help);
}

/// The steps that give every row its own value: the column, a default for new rows, and a backfill for existing rows.
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
        "add it without values, set a default for new rows, and backfill existing rows in batches:\n\
         ALTER TABLE {table} ADD COLUMN {name} {data_type};\n\
         {before}ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT {value};\n\
         -- in the next migration\n\
         -- refit: backfill = {directive}\n\
         UPDATE {table} SET {name} = {value} WHERE {range} AND {name} IS NULL;"
    )
}
