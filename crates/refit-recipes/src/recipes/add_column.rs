//! # Add a column that may be NULL, or that has a constant default
//!
//! For a column whose rows need no value of their own. A constant default is stored once, in the catalog: no row is
//! written. If each row needs a value of its own, use `add-not-null-column` or `backfill`.
//!
//! Files: one migration. The old release does not notice the column, so the new one may be deployed from then on.
//!
//! Locks: ACCESS EXCLUSIVE on the table for a moment.

use crate::builder::Builder;
use crate::parts::checks;
use crate::problem::Problem;
use crate::recipe::Recipe;
use crate::step::{Phase, Step};

pub(super) const RECIPE: Recipe = Recipe {
    name: "add-column",
    source: include_str!("add_column.rs"),
    required: &["table", "column", "type"],
    optional: &["default", "comment"],
    one_column: true,
    build,
};

const UP: &str = "\
ALTER TABLE {{ table }} ADD COLUMN {{ column|ident }} {{ type }}{% if default %} DEFAULT {{ default }}{% endif %};
{% if comment %}COMMENT ON COLUMN {{ table }}.{{ column|ident }} IS {{ comment|literal }};
{% endif %}";

fn build(builder: &mut Builder<'_>) -> Result<(), Problem> {
    let table = builder.table()?;
    let column = builder.required("column")?;
    table.is_new(column)?;
    builder.templates.set("column", column);
    for name in ["type", "default", "comment"] {
        builder.templates.set(name, builder.arguments.one(name).unwrap_or_default());
    }
    builder.purpose("Adds the column {{ column|ident }} to {{ table }}.")?;
    builder.add(
        Step::quick("", Phase::Expand)
            .why("The old release does not notice the column; the new one needs it.")
            .up(UP)
            .down("ALTER TABLE {{ table }} DROP COLUMN {{ column|ident }};")
            .check(checks::COLUMN)
            .rollback("Its down file drops the column; the values in it are lost."),
    )
}
