//! # Change the rows of a table in batches
//!
//! For a column whose value follows from the row. `--where` says which rows are to be changed, and no longer holds for
//! those that are; without it, those where the column is NULL.
//!
//! Files: one migration with a backfill, whose undo journal keeps the earlier values; a check that no such row is left.
//! Both releases may run. See [Backfills](backfills.md).
//!
//! Locks: the rows of a batch, for about 100 ms.

use crate::builder::Builder;
use crate::problem::Problem;
use crate::recipe::Recipe;
use crate::step::Step;

pub(super) const RECIPE: Recipe = Recipe {
    name: "backfill",
    source: include_str!("backfill.rs"),
    required: &["table", "column", "value"],
    optional: &["where", "key"],
    one_column: true,
    build,
};

const UP: &str = "\
UPDATE {{ table }}
SET    {{ column|ident }} = {{ value }}
WHERE  {{ range }} AND {{ condition }};
";

fn build(builder: &mut Builder<'_>) -> Result<(), Problem> {
    let table = builder.table()?;
    let (column, _) = builder.column(&table)?;
    let batches = builder.batches(&table)?;
    if batches.key.contains(&column) {
        return Err(Problem::new(format!("batches walk {} by {column}, which it would change", table.name)));
    }
    builder.templates.set("value", builder.required("value")?);
    let written = refit_model::quoted_name(&column);
    let condition = match builder.arguments.one("where") {
        Some(condition) => format!("({condition})"),
        None => format!("{written} IS NULL"),
    };
    builder.templates.set("condition", condition.clone());
    builder.purpose("Gives the rows of {{ table }} their value in {{ column|ident }}.")?;
    let directive = batches.with_undo(&[&column]).with_remaining(&condition).directive;
    builder.add(
        Step::backfill("", directive)
            .why("Sets {{ column|ident }} in batches, while the service runs.")
            .up(UP)
            .check("SELECT {{ key|idents }} FROM {{ table }} WHERE {{ condition }} LIMIT 10;"),
    )
}
