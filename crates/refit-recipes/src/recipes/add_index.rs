//! # Add an index
//!
//! Files: one migration without a transaction, which builds the index concurrently, and a check that it is valid. Both
//! releases may run. A build that is interrupted is resumed by the next run.
//!
//! Locks: SHARE UPDATE EXCLUSIVE: reads and writes continue.

use crate::builder::Builder;
use crate::parts::{checks, index};
use crate::problem::Problem;
use crate::recipe::Recipe;
use crate::step::{Phase, Step};

pub(super) const RECIPE: Recipe = Recipe {
    name: "add-index",
    source: include_str!("add_index.rs"),
    required: &["table", "column"],
    optional: &["where", "object-name", "method", "include", "unique", "nulls-not-distinct"],
    one_column: false,
    build,
};

fn build(builder: &mut Builder<'_>) -> Result<(), Problem> {
    let table = builder.table()?;
    let columns = builder.columns(&table)?;
    index::options(builder, &table, &columns)?;
    builder.purpose("Adds an index on {{ columns|idents }} of {{ table }}.")?;
    builder.add(
        Step::index("", Phase::Expand)
            .why("Built concurrently: reads and writes of the table continue.")
            .up(index::CREATE)
            .down("DROP INDEX CONCURRENTLY {{ index_path }};")
            .check(checks::INDEX),
    )
}
