//! # Drop a column
//!
//! Files: if the column is NOT NULL without a default, a migration that lifts it, so that the new release can omit the column;
//! and, when you name it (`migrate --include`), its end. Deploy the release that does not use the column before the last one;
//! once that is applied, no older release may run. If you want to be able to go back, use `cleanup` instead.
//!
//! Locks: ACCESS EXCLUSIVE on the table for a moment. No row is written.

use refit_catalog::Column;

use crate::builder::Builder;
use crate::parts::checks;
use crate::problem::Problem;
use crate::recipe::Recipe;
use crate::step::{Phase, Step};

pub(super) const RECIPE: Recipe = Recipe {
    name: "drop-column",
    source: include_str!("drop_column.rs"),
    required: &["table", "column"],
    optional: &[],
    one_column: true,
    build,
};

fn build(builder: &mut Builder<'_>) -> Result<(), Problem> {
    let table = builder.table()?;
    let (_, facts) = builder.column(&table)?;
    let Some(facts) = facts else {
        let message = "there is no snapshot that shows the column's type: run `cargo xtask snapshot` first";
        return Err(Problem::new(message));
    };
    if !facts.generated.is_empty() || facts.identity.is_some() {
        return Err(Problem::new("the column is generated: its down file would have to be written by hand"));
    }
    builder.templates.set("type", crate::parts::sync::typed(facts));
    builder.templates.set("default", facts.default.clone());
    builder.templates.set("filled", facts.not_null && !facts.default.is_empty());
    builder.purpose("{{ table }} has no column {{ column|ident }} any more.")?;
    lift_not_null(builder, facts)?;
    builder.add(
        Step::quick("end", Phase::Contract)
            .manual()
            .why("No release that runs reads or writes {{ column|ident }} any more.")
            .up("ALTER TABLE {{ table }} DROP COLUMN {{ column|ident }};\n")
            .down(
                "-- The values are lost: the column comes back empty, or with its default.\n\
                 ALTER TABLE {{ table }} ADD COLUMN {{ column|ident }} {{ type }}\
                 {% if default %} DEFAULT {{ default }}{% endif %}{% if filled %} NOT NULL{% endif %};",
            )
            .check(checks::NO_COLUMN)
            .risk(
                "The values are lost, with the indexes, constraints and views of the column. It takes a lock that stops reads and \
                 writes for a moment, and waits at most 500 ms for it.",
            )
            .releases("Releases that do not use the column.")
            .rollback("Its down file adds the column again, empty or with its default. The values are only in a backup."),
    )
}

/// Lets releases omit the column.
pub(super) fn lift_not_null(builder: &mut Builder<'_>, facts: &Column) -> Result<(), Problem> {
    if !facts.not_null || !facts.default.is_empty() || facts.identity.is_some() {
        return Ok(());
    }
    builder.add(
        Step::quick("optional", Phase::Expand)
            .why("The new release no longer writes {{ column|ident }}: its rows have NULL there.")
            .up("ALTER TABLE {{ table }} ALTER COLUMN {{ column|ident }} DROP NOT NULL;\n")
            .down(
                "-- Fails while rows have NULL there: give them a value first.\n\
                 ALTER TABLE {{ table }} ALTER COLUMN {{ column|ident }} SET NOT NULL;",
            )
            .releases("The old release, and the new one that does not use the column: deploy it now.")
            .rollback(
                "Its down file makes the column NOT NULL again, which fails while rows have NULL there.",
            ),
    )
}
