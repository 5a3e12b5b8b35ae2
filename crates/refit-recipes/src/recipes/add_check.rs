//! # Add a CHECK constraint
//!
//! Files: the constraint, which applies to new rows at once; its validation. No release that writes rows against it may run
//! when the first one is applied.
//!
//! Locks: ACCESS EXCLUSIVE on the table for a moment; the validation lets reads and writes continue.

use crate::builder::Builder;
use crate::parts::constraint;
use crate::problem::Problem;
use crate::recipe::Recipe;
use crate::step::Phase;

pub(super) const RECIPE: Recipe = Recipe {
    name: "add-check",
    source: include_str!("add_check.rs"),
    required: &["table", "check"],
    optional: &["object-name"],
    one_column: true,
    build,
};

fn build(builder: &mut Builder<'_>) -> Result<(), Problem> {
    let table = builder.table()?;
    let definition = format!("CHECK ({})", builder.required("check")?);
    let name = builder.object_name(&table, "", "check")?;
    builder.templates.set("constraint", name.clone());
    builder.templates.set("definition", definition.clone());
    builder.purpose("The condition {{ constraint|ident }} holds for every row of {{ table }}.")?;
    let [add, validate] = constraint::steps(&table, &name, &definition, ["", "validate"], Phase::Expand);
    builder.add(
        add.why("New rows are checked from now on; those that are there, by the next migration.")
            .releases("Releases that write only rows for which the condition holds."),
    )?;
    builder.add(validate.releases("Releases that write only rows for which the condition holds."))
}
