//! # Add a unique constraint
//!
//! Files: a unique index, built concurrently; the constraint, which uses it. If two rows are equal the build fails, and no
//! release that writes such rows may run from then on.
//!
//! Locks: SHARE UPDATE EXCLUSIVE while the index is built; ACCESS EXCLUSIVE on the table for a moment.

use refit_lint::safe::OverIndex;

use crate::builder::Builder;
use crate::parts::{checks, index};
use crate::problem::Problem;
use crate::recipe::Recipe;
use crate::step::{Phase, Step};
use crate::table::Table;

pub(super) const RECIPE: Recipe = Recipe {
    name: "add-unique",
    source: include_str!("add_unique.rs"),
    required: &["table", "column"],
    optional: &["object-name", "nulls-not-distinct"],
    one_column: false,
    build,
};

fn build(builder: &mut Builder<'_>) -> Result<(), Problem> {
    let table = builder.table()?;
    let columns = builder.columns(&table)?;
    let distinct = if index::nulls_not_distinct(builder)? { " NULLS NOT DISTINCT" } else { "" };
    let name = builder.object_name(&table, &columns.join("_"), "key")?;
    builder.purpose("No two rows of {{ table }} have the same {{ columns|idents }}.")?;
    over_index(builder, &table, &name, distinct, false, "")
}

/// The index and the constraint; also of a primary key.
pub(super) fn over_index(
    builder: &mut Builder<'_>,
    table: &Table<'_>,
    name: &str,
    distinct: &str,
    primary: bool,
    title: &'static str,
) -> Result<(), Problem> {
    if table.is_partitioned() {
        let message = format!("{} is partitioned, where CREATE INDEX CONCURRENTLY fails", table.name);
        return Err(Problem::new(message));
    }
    builder.templates.set("constraint", name);
    builder.templates.set("index_path", table.beside(name));
    let index = builder.templates.render("({{ columns|idents }})")? + distinct;
    let (head, written) = (format!("ALTER TABLE {}", table.written()), table.written());
    let form = OverIndex { head: &head, table: &written, primary, index: &index, rest: "" };
    let [create, constrain] = form.steps(name);
    let again = format!(
        "ALTER TABLE {written} DROP CONSTRAINT {};\n{};\n",
        refit_model::quoted_name(name),
        create.sql[0]
    );
    builder.add(
        Step::index(title, Phase::Expand)
            .why(
                "Built concurrently: reads and writes of the table continue. It fails if two rows are equal.",
            )
            .form(&create)
            .down("DROP INDEX CONCURRENTLY {{ index_path }};")
            .check(checks::INDEX)
            .releases("Releases that write no two rows with the same values."),
    )?;
    builder.add(
        Step::quick("constrain", Phase::Expand)
            .why("The constraint takes over the index: nothing is read.")
            .form(&constrain)
            .down(again)
            .check(checks::CONSTRAINT)
            .releases("Releases that write no two rows with the same values."),
    )
}
