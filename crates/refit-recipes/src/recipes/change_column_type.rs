//! # Change the type of a column while both releases run
//!
//! The table is not rewritten under a lock: it gets a second column of the new type, under the name that `--to` gives, and a
//! trigger keeps the two equal in both directions. `--using` is the new value from the old one, `--back` the old from the new;
//! without them, casts. The new release reads and writes the new column. If it is to have the old name in the end, follow with
//! `rename-column` once the old column is gone.
//!
//! Files: the column and its trigger; a backfill; copies of indexes, unique constraints and foreign keys; NOT NULL in its safe
//! form; and, when you name it (`migrate --include`), the end of the old column, whose default the new one then gets. Deploy
//! the new release before that one; once it is applied, no older release may run.
//!
//! What changes in a statement wins: an UPDATE of either column sets the other, and if it changes both, the new one wins. A
//! primary key, and a column that other tables refer to, are refused.
//!
//! Locks: ACCESS EXCLUSIVE on the table for moments. Rows are copied in batches; indexes are built concurrently.

use crate::builder::Builder;
use crate::parts::sync;
use crate::problem::Problem;
use crate::recipe::Recipe;

use super::second_column;

pub(super) const RECIPE: Recipe = Recipe {
    name: "change-column-type",
    source: include_str!("change_column_type.rs"),
    required: &["table", "column", "to", "type"],
    optional: &["using", "back", "key"],
    one_column: true,
    build,
};

fn build(builder: &mut Builder<'_>) -> Result<(), Problem> {
    let table = builder.table()?;
    let (old, facts) = sync::old_column(builder, &table)?;
    builder.templates.set("new_type", builder.required("type")?);
    builder.purpose = format!(
        "The values of {old} in {} have the type {} from now on, in another column.",
        table.name,
        builder.required("type")?
    );
    second_column::build(builder, &table, &old, facts, "", "")
}
