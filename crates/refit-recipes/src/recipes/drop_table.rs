//! # Drop a table
//!
//! The table is first renamed to `…_backup`: whatever still uses it fails, and one command undoes that. Both migrations run only
//! when you name them (`migrate --include`), so that days may lie between them. A table whose name ends in `_backup` is
//! dropped at once.
//!
//! Files: the rename; the end. No release that uses the table may run when the first one is applied.
//!
//! Locks: ACCESS EXCLUSIVE on the table for a moment, and on tables that it refers to.

use crate::builder::Builder;
use crate::parts::checks;
use crate::problem::Problem;
use crate::recipe::Recipe;
use crate::step::{Phase, Step};
use crate::table::Table;

pub(super) const RECIPE: Recipe = Recipe {
    name: "drop-table",
    source: include_str!("drop_table.rs"),
    required: &["table"],
    optional: &[],
    one_column: true,
    build,
};

fn build(builder: &mut Builder<'_>) -> Result<(), Problem> {
    let table = builder.table()?;
    refuse_referenced(builder, &table)?;
    builder.purpose("The table {{ table }} is not needed any more.")?;
    let mut dropped = table.written();
    if !table.name.ends_with("_backup") {
        let backup = builder.names.choose(&table.name, "", "backup");
        builder.templates.set("backup_path", table.beside(&backup));
        builder.templates.set("backup", backup.clone());
        builder.templates.set("gone", table.written());
        dropped = table.beside(&backup);
        builder.add(
            Step::quick("", Phase::Contract)
                .manual()
                .why("No release that runs uses the table any more; whatever does fails now, while it can be undone.")
                .up("ALTER TABLE {{ table }} RENAME TO {{ backup|ident }};\n")
                .down("ALTER TABLE {{ backup_path }} RENAME TO {{ table_name|ident }};")
                .check(checks::NO_TABLE)
                .releases("Releases that do not use the table."),
        )?;
    }
    builder.templates.set("gone", dropped);
    builder.add(
        Step::quick("end", Phase::Contract)
            .manual()
            .why("Nothing has used the table since it was renamed, and its rows are not needed any more.")
            .up("DROP TABLE {{ gone }};\n")
            .down(
                "-- The rows are lost, and so this cannot be undone.\n\
                 DO $$ BEGIN RAISE EXCEPTION 'the table was dropped: restore it from a backup'; END $$;",
            )
            .check(checks::NO_TABLE)
            .risk("The rows are lost. It takes a lock that stops reads and writes of the table and of those that it refers to, for a moment.")
            .releases("Releases that do not use the table.")
            .rollback("It cannot be undone: the rows are only in a backup."),
    )
}

/// Refuses a table that foreign keys of others refer to.
pub(super) fn refuse_referenced(builder: &Builder<'_>, table: &Table<'_>) -> Result<(), Problem> {
    let (Some(catalog), Some(own)) = (builder.catalog, table.facts) else { return Ok(()) };
    let referring: Vec<String> = catalog
        .tables
        .iter()
        .filter(|(_, other)| !std::ptr::eq(*other, own))
        .filter(|(_, other)| {
            other.constraints.values().filter_map(|constraint| constraint.references.as_ref()).any(|target| {
                Table::of(&target.table, Some(catalog))
                    .is_ok_and(|found| found.facts.is_some_and(|found| std::ptr::eq(found, own)))
            })
        })
        .map(|(key, _)| key.clone())
        .collect();
    match referring.is_empty() {
        true => Ok(()),
        false => Err(Problem::new(format!(
            "foreign keys of {} refer to {}: drop them first",
            referring.join(", "),
            table.name
        ))),
    }
}
