//! # Set a table or column aside, with a date on which it may be dropped
//!
//! Renames the table, or with `--column` the column, to `…_backup` and writes the date of `--drop-after` into its comment.
//! Whatever still uses it fails, and the down file undoes it without loss. Drop it after the date with `drop-table` or
//! `drop-column`.
//!
//! Files: if the column is NOT NULL without a default, a migration that lifts it, so that the new release can omit the column; and,
//! when you name it (`migrate --include`), the rename. Before that one, deploy the release that does not use it.
//!
//! Locks: ACCESS EXCLUSIVE on the table for a moment.

use super::drop_column::lift_not_null;
use crate::builder::Builder;
use crate::parts::checks;
use crate::problem::Problem;
use crate::recipe::Recipe;
use crate::step::{Phase, Step};

pub(super) const RECIPE: Recipe = Recipe {
    name: "cleanup",
    source: include_str!("cleanup.rs"),
    required: &["table", "drop-after"],
    optional: &["column"],
    one_column: true,
    build,
};

const COLUMN: &str = "\
ALTER TABLE {{ table }} RENAME COLUMN {{ column|ident }} TO {{ backup|ident }};
COMMENT ON COLUMN {{ table }}.{{ backup|ident }} IS {{ comment|literal }};
";
const COLUMN_BACK: &str = "\
ALTER TABLE {{ table }} RENAME COLUMN {{ backup|ident }} TO {{ column|ident }};
COMMENT ON COLUMN {{ table }}.{{ column|ident }} IS {{ before }};
";
const TABLE: &str = "\
ALTER TABLE {{ table }} RENAME TO {{ backup|ident }};
COMMENT ON TABLE {{ backup_path }} IS {{ comment|literal }};
";
const TABLE_BACK: &str = "\
ALTER TABLE {{ backup_path }} RENAME TO {{ table_name|ident }};
COMMENT ON TABLE {{ table }} IS {{ before }};
";

fn build(builder: &mut Builder<'_>) -> Result<(), Problem> {
    let table = builder.table()?;
    let date = builder.required("drop-after")?;
    if !is_date(date) {
        return Err(Problem::new(format!("--drop-after {date} is not a date such as 2027-01-31")));
    }
    let mut before = table.facts.map(|facts| facts.comment.clone()).unwrap_or_default();
    let what = match builder.arguments.has("column") {
        true => {
            let (column, facts) = builder.column(&table)?;
            before = facts.map(|facts| facts.comment.clone()).unwrap_or_default();
            let backup = builder.names.choose(&column, "", "backup");
            table.is_new(&backup)?;
            builder.templates.set("backup", backup);
            if let Some(facts) = facts {
                lift_not_null(builder, facts)?;
            }
            format!("column {column} of {}", table.name)
        }
        false => {
            let backup = builder.names.choose(&table.name, "", "backup");
            builder.templates.set("backup_path", table.beside(&backup));
            builder.templates.set("backup", backup);
            format!("table {}", table.name)
        }
    };
    builder.templates.set("gone", table.written());
    builder
        .templates
        .set("before", if before.is_empty() { "NULL".to_owned() } else { crate::template::literal(&before) });
    builder.templates.set("comment", format!("Backup of the {what}; may be dropped after {date}."));
    builder.purpose = format!("Nothing uses the {what} any more; its rows are kept until {date}.");
    let of_column = builder.arguments.has("column");
    builder.add(
        Step::quick("aside", Phase::Contract)
            .manual()
            .why("No release that runs uses it any more; whatever does fails now, while it can be undone.")
            .up(if of_column { COLUMN } else { TABLE })
            .down(if of_column { COLUMN_BACK } else { TABLE_BACK })
            .check(if of_column { checks::NO_COLUMN } else { checks::NO_TABLE })
            .releases("Releases that do not use it."),
    )
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return false };
    let number = |text: &str, length: usize, range: std::ops::RangeInclusive<u32>| {
        text.len() == length && text.parse().is_ok_and(|number: u32| range.contains(&number))
    };
    number(year, 4, 2000..=9999) && number(month, 2, 1..=12) && number(day, 2, 1..=31)
}
