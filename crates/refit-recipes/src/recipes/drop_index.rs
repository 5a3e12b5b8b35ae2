//! # Drop an index
//!
//! For an index that no query uses any more (`pg_stat_user_indexes`). The down file creates it again, as the snapshot shows it.
//!
//! Files: one migration without a transaction. Both releases may run; a query that needs the index becomes slow.
//!
//! Locks: SHARE UPDATE EXCLUSIVE: reads and writes continue.

use crate::builder::Builder;
use crate::parts::index;
use crate::problem::Problem;
use crate::recipe::Recipe;
use crate::step::{Phase, Step};

pub(super) const RECIPE: Recipe = Recipe {
    name: "drop-index",
    source: include_str!("drop_index.rs"),
    required: &["index"],
    optional: &[],
    one_column: true,
    build,
};

fn build(builder: &mut Builder<'_>) -> Result<(), Problem> {
    let (table, name, found) = index::find(builder)?;
    builder.use_table(&table);
    builder.templates.set("index_path", table.beside(&name));
    let create = index::definition(&table, &name, found, &|column| column.to_owned());
    builder.purpose("Drops the index {{ index_path }} of {{ table }}.")?;
    builder.add(
        Step::index("", Phase::Contract)
            .why("No query of a release that runs needs the index any more.")
            .up("DROP INDEX CONCURRENTLY {{ index_path }};\n")
            .down(create)
            .check("SELECT 'the index is still there' AS problem WHERE pg_catalog.to_regclass({{ index_path|literal }}) IS NOT NULL;")
            .releases("Releases whose queries do not need the index."),
    )
}
