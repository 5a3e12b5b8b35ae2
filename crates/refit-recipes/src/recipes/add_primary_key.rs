//! # Add a primary key
//!
//! Files: NOT NULL in its safe form for each column that may be NULL; a unique index, built concurrently; the key, which
//! uses it. No release that writes NULL or equal values may run when the first one is applied.
//!
//! Locks: ACCESS EXCLUSIVE on the table for moments; building and validating let reads and writes continue.

use crate::builder::Builder;
use crate::parts::not_null;
use crate::problem::Problem;
use crate::recipe::Recipe;

pub(super) const RECIPE: Recipe = Recipe {
    name: "add-primary-key",
    source: include_str!("add_primary_key.rs"),
    required: &["table", "column"],
    optional: &["object-name"],
    one_column: false,
    build,
};

fn build(builder: &mut Builder<'_>) -> Result<(), Problem> {
    let table = builder.table()?;
    let columns = builder.columns(&table)?;
    if table.facts.is_none() {
        let message =
            "there is no snapshot that shows which columns may be NULL: run `cargo xtask snapshot` first";
        return Err(Problem::new(message));
    }
    if table.primary_key().is_some() {
        return Err(Problem::new(format!("{} already has a primary key", table.name)));
    }
    let name = builder.object_name(&table, "", "pkey")?;
    builder.purpose("{{ columns|idents }} identifies a row of {{ table }}.")?;
    for column in &columns {
        if table.column(column)?.is_some_and(|facts| !facts.not_null) {
            not_null::add(builder, &table, column)?;
        }
    }
    super::add_unique::over_index(builder, &table, &name, "", true, "index")
}
