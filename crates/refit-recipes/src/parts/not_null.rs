//! The steps that make a column NOT NULL.

use refit_lint::safe::NotNull;
use refit_lint::sequence::Runs;

use super::checks;
use super::constraint::AGAIN;
use crate::builder::Builder;
use crate::problem::Problem;
use crate::step::{Phase, Step};
use crate::table::Table;

const GIVEN: &str =
    "From now on no row can get NULL in {{ column|ident }}. Rows that are there are not looked at yet.";
const VALIDATE: &str = "Proves that no row has NULL in {{ column|ident }}, while reads and writes continue.";

/// Adds them.
pub(crate) fn add(builder: &mut Builder<'_>, table: &Table<'_>, column: &str) -> Result<(), Problem> {
    let head = format!("ALTER TABLE {}", table.written());
    let form = NotNull { head: &head, table: &table.name, column, postgres: builder.postgres };
    let name = builder.names.choose(&table.name, column, form.suffix());
    let written = refit_model::quoted_name(column);
    let is_new = builder.postgres >= 18;
    let definition =
        if is_new { format!("NOT NULL {written}") } else { format!("CHECK ({written} IS NOT NULL)") };
    builder.templates.set("constraint", name.clone());
    builder.templates.set("definition", definition);
    builder.templates.set("column", column);
    let steps = form.steps(&name, Runs::Apart);
    for (at, sql) in steps.iter().enumerate() {
        let step = match at {
            0 => Step::quick("given", Phase::Contract)
                .why(GIVEN)
                .down("ALTER TABLE {{ table }} DROP CONSTRAINT {{ constraint|ident }};")
                .releases("Releases that write no NULL to the column."),
            1 => Step::validation("validate", Phase::Contract)
                .why(VALIDATE)
                .down(AGAIN)
                .check(if is_new { checks::NOT_NULL } else { "" })
                .releases("Releases that write no NULL to the column."),
            _ => Step::quick("not_null", Phase::Contract)
                .why("The validated constraint proves it: nothing is read. Then the constraint has done its work.")
                .down(
                    "ALTER TABLE {{ table }} ADD CONSTRAINT {{ constraint|ident }} {{ definition }} NOT VALID;\n\
                     ALTER TABLE {{ table }} VALIDATE CONSTRAINT {{ constraint|ident }};\n\
                     ALTER TABLE {{ table }} ALTER COLUMN {{ column|ident }} DROP NOT NULL;",
                )
                .check(checks::NOT_NULL)
                .releases("Releases that write no NULL to the column."),
        };
        builder.add(step.form(sql))?;
    }
    Ok(())
}
