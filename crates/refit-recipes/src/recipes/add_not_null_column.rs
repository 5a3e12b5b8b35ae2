//! # Add a column that is NOT NULL
//!
//! With `--default` alone, every row has the same value, which is stored once: one migration. With `--value`, each row gets
//! its own: an expression that may name other columns of the row.
//!
//! Files with `--value`: the column with a trigger, which fills it for releases that do not know it; a backfill for the
//! rows before; NOT NULL in its safe form, which waits for the backfill; and, when you name it, the end of the trigger. The
//! new release may write the column after the first one, and rely on it after the backfill; before the last one, no older
//! release may run.
//!
//! Locks: ACCESS EXCLUSIVE on the table for moments. Rows are written in batches and validated while reads and writes
//! continue.

use crate::builder::Builder;
use crate::parts::{checks, fill, not_null};
use crate::problem::Problem;
use crate::recipe::Recipe;
use crate::step::{Phase, Step};

pub(super) const RECIPE: Recipe = Recipe {
    name: "add-not-null-column",
    source: include_str!("add_not_null_column.rs"),
    required: &["table", "column", "type"],
    optional: &["default", "value", "key"],
    one_column: true,
    build,
};

const ADD: &str = "\
ALTER TABLE {{ table }} ADD COLUMN {{ column|ident }} {{ type }};
{% if default %}ALTER TABLE {{ table }} ALTER COLUMN {{ column|ident }} SET DEFAULT {{ default }};
{% endif %}
";
const DROP: &str = "ALTER TABLE {{ table }} DROP COLUMN {{ column|ident }};\n";

fn build(builder: &mut Builder<'_>) -> Result<(), Problem> {
    let table = builder.table()?;
    let column = builder.required("column")?;
    table.is_new(column)?;
    builder.templates.set("column", column);
    for name in ["type", "default", "value"] {
        builder.templates.set(name, builder.arguments.one(name).unwrap_or_default());
    }
    builder.purpose("Adds the column {{ column|ident }} to {{ table }}, with a value in every row.")?;
    if builder.arguments.has("value") {
        fill::name(builder, &table, column);
        let (add, drop) = (builder.templates.render(ADD)?, builder.templates.render(DROP)?);
        fill::begin(builder, &add, &drop, "")?;
        fill::fill(builder, &table)?;
        not_null::add(builder, &table, column)?;
        return fill::end(builder);
    }
    if !builder.arguments.has("default") {
        return Err(Problem::new(
            "rows that are there need a value: give --default with the same one for all, or --value with an expression",
        ));
    }
    builder.add(
        Step::quick("", Phase::Expand)
            .why("The default is stored once, and applies to the rows that are there: none is written.")
            .up("ALTER TABLE {{ table }} ADD COLUMN {{ column|ident }} {{ type }} NOT NULL DEFAULT {{ default }};\n")
            .down(DROP)
            .check(checks::NOT_NULL)
            .rollback("Its down file drops the column; the values in it are lost."),
    )
}
