//! # Replace an index by another one
//!
//! For another list of columns, condition or method. The new index is complete before the old one is dropped: queries are
//! never without one.
//!
//! Files: the new index, and the end of the old one, both without a transaction. Both releases may run.
//!
//! Locks: SHARE UPDATE EXCLUSIVE: reads and writes continue.

use crate::builder::Builder;
use crate::parts::{checks, index};
use crate::problem::Problem;
use crate::recipe::Recipe;
use crate::step::{Phase, Step};

pub(super) const RECIPE: Recipe = Recipe {
    name: "replace-index",
    source: include_str!("replace_index.rs"),
    required: &["index", "column"],
    optional: &["where", "object-name", "method", "include", "unique", "nulls-not-distinct"],
    one_column: false,
    build,
};

fn build(builder: &mut Builder<'_>) -> Result<(), Problem> {
    let (table, old, found) = index::find(builder)?;
    builder.use_table(&table);
    let columns = builder.columns(&table)?;
    if found.unique && !builder.arguments.has("unique") {
        return Err(Problem::new(format!(
            "{old} is unique, and statements may rely on it: give --unique as well"
        )));
    }
    index::options(builder, &table, &columns)?;
    builder.templates.set("old", table.beside(&old));
    builder.purpose("Replaces the index {{ old }} of {{ table }} by one on {{ columns|idents }}.")?;
    builder.add(
        Step::index("", Phase::Expand)
            .why("The new index is built while queries still use the old one.")
            .up(index::CREATE)
            .down("DROP INDEX CONCURRENTLY {{ index_path }};")
            .check(checks::INDEX),
    )?;
    let create = index::definition(&table, &old, found, &|column| column.to_owned());
    builder.add(
        Step::index("drop_old", Phase::Contract)
            .why("The new index is complete, so that no query needs the old one.")
            .up("DROP INDEX CONCURRENTLY {{ old }};\n")
            .down(create),
    )
}
