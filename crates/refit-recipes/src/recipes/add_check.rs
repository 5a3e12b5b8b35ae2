//! # Add a CHECK constraint
//!
//! Files: the constraint, which applies to new rows at once; its validation. No release that writes rows against it may run
//! when the first one is applied.
//!
//! Locks: ACCESS EXCLUSIVE on the table for a moment; the validation lets reads and writes continue.

use refit_lint::safe::validated;
use refit_lint::sequence::Runs;

use crate::builder::Builder;
use crate::parts::checks;
use crate::problem::Problem;
use crate::recipe::Recipe;
use crate::step::{Phase, Step};

pub(super) const RECIPE: Recipe = Recipe {
    name: "add-check",
    source: include_str!("add_check.rs"),
    required: &["table", "check"],
    optional: &["object-name"],
    one_column: true,
    build,
};

const AGAIN: &str = "\
-- A constraint cannot be made unvalidated again: it is replaced by one that is not validated.
ALTER TABLE {{ table }}
    DROP CONSTRAINT {{ constraint|ident }},
    ADD CONSTRAINT {{ constraint|ident }} {{ definition }} NOT VALID;
";

fn build(builder: &mut Builder<'_>) -> Result<(), Problem> {
    let table = builder.table()?;
    let definition = format!("CHECK ({})", builder.required("check")?);
    let name = builder.object_name(&table, "", "check")?;
    builder.templates.set("constraint", name.clone());
    builder.templates.set("definition", definition.clone());
    builder.purpose("The condition {{ constraint|ident }} holds for every row of {{ table }}.")?;
    let [add, validate] =
        validated(&format!("ALTER TABLE {}", table.written()), &name, &definition, Runs::Apart);
    builder.add(
        Step::quick("", Phase::Expand)
            .why("New rows are checked from now on; those that are there, by the next migration.")
            .form(&add)
            .down("ALTER TABLE {{ table }} DROP CONSTRAINT {{ constraint|ident }};")
            .releases("Releases that write only rows for which the condition holds."),
    )?;
    builder.add(
        Step::validation("validate", Phase::Expand)
            .why("Looks at the rows that were there before the constraint.")
            .form(&validate)
            .down(AGAIN)
            .check(checks::CONSTRAINT)
            .releases("Releases that write only rows for which the condition holds."),
    )
}
