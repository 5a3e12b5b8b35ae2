//! # Merge columns into one while both releases run
//!
//! `--value` is the new value from those of `--column`. A trigger computes it whenever one of them changes, and a backfill for the
//! rows before. There is no way back from the whole to its parts, so the trigger works in this direction only: the first new
//! release reads the new column and still writes the old ones; the second one writes only the new column.
//!
//! Files: the column and its trigger; a backfill; if an old column is NOT NULL without a default, a migration that lifts it;
//! and, when you name it (`migrate --include`), the end of the old columns. Deploy the first new release after the backfill, and
//! the second one when no older release runs; apply the last migration when only the second one runs.
//!
//! Locks: ACCESS EXCLUSIVE on the table for moments. Rows are written in batches.

use crate::builder::Builder;
use crate::parts::{checks, sync};
use crate::problem::Problem;
use crate::recipe::Recipe;
use crate::step::{Phase, Step};

pub(super) const RECIPE: Recipe = Recipe {
    name: "merge-columns",
    source: include_str!("merge_columns.rs"),
    required: &["table", "column", "to", "type", "value"],
    optional: &["key"],
    one_column: false,
    build,
};

const TRIGGER: &str = "\
CREATE FUNCTION {{ function }}() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $refit$
BEGIN
    -- A release that writes the new column itself is not overruled.
    IF TG_OP = 'INSERT' THEN
        IF NEW.{{ new|ident }} IS NULL THEN
            NEW.{{ new|ident }} := {{ value_row }};
        END IF;
    ELSIF NEW.{{ new|ident }} IS NOT DISTINCT FROM OLD.{{ new|ident }}
        AND ({% for column in columns %}{% if not loop.first %} OR {% endif %}\
NEW.{{ column|ident }} IS DISTINCT FROM OLD.{{ column|ident }}{% endfor %})
    THEN
        NEW.{{ new|ident }} := {{ value_row }};
    END IF;
    RETURN NEW;
END
$refit$;
";

fn build(builder: &mut Builder<'_>) -> Result<(), Problem> {
    let table = builder.table()?;
    let columns = builder.columns(&table)?;
    if columns.len() < 2 {
        return Err(Problem::new("give at least two columns: --column a,b"));
    }
    let Some(facts) = table.facts else {
        let message =
            "there is no snapshot that shows the types of the columns: run `cargo xtask snapshot` first";
        return Err(Problem::new(message));
    };
    let new = builder.required("to")?.to_owned();
    table.is_new(&new)?;
    builder.templates.set("new", new.clone());
    builder.templates.set("new_type", builder.required("type")?);
    let value = builder.required("value")?;
    builder.templates.set("value", format!("({value})"));
    let of_row = sync::over_row(builder, value)?;
    builder.templates.set("value_row", of_row);
    sync::name(builder, &table, &new);
    builder.purpose("{{ new|ident }} of {{ table }} holds what {{ columns|idents }} held.")?;
    let (function, trigger) = (builder.templates.render(TRIGGER)?, sync::trigger(builder)?);
    let end = sync::no_trigger(builder)?;
    let add =
        builder.templates.render("ALTER TABLE {{ table }} ADD COLUMN {{ new|ident }} {{ new_type }};\n\n")?;
    let drop = builder.templates.render("ALTER TABLE {{ table }} DROP COLUMN {{ new|ident }};\n")?;
    builder.add(
        Step::quick("", Phase::Expand)
            .why("Adds {{ new|ident }}, and the trigger that computes it whenever {{ columns|idents }} change.")
            .up(format!("{add}{function}{trigger}"))
            .down(format!("{end}{drop}"))
            .releases("The old release."),
    )?;
    fill(builder, &table)?;
    let mut back = String::new();
    for name in &columns {
        let Some(column) = table.column(name)? else { continue };
        builder.templates.set("column", name.clone());
        super::drop_column::lift_not_null(builder, column)?;
        let default =
            if column.default.is_empty() { String::new() } else { format!(" DEFAULT {}", column.default) };
        let written = refit_model::quoted_name(name);
        back.push_str(&format!(
            "ALTER TABLE {} ADD COLUMN {written} {}{default};\n",
            table.written(),
            sync::typed(column)
        ));
    }
    let views = facts.triggers.len();
    if views > 0 {
        builder.notes.push("The table has triggers of its own, which are not changed.".to_owned());
    }
    let drops: String = columns
        .iter()
        .map(|name| {
            format!("ALTER TABLE {} DROP COLUMN {};\n", table.written(), refit_model::quoted_name(name))
        })
        .collect();
    builder.templates.set("column", new);
    builder.add(
        Step::quick("end", Phase::Contract)
            .manual()
            .why("Every release that runs writes {{ new|ident }} and uses {{ columns|idents }} no more.")
            .up(format!("{end}{drops}"))
            .down(format!("-- The parts are lost: the columns come back empty, or with their defaults.\n{back}{function}{trigger}"))
            .check(checks::COLUMN)
            .releases("Only the second new release.")
            .risk("The values of the old columns are lost. It takes a lock that stops reads and writes for a moment, and waits at most 500 ms for it.")
            .rollback("Its down file adds the old columns again, empty. Their values are only in a backup."),
    )
}

fn fill(builder: &mut Builder<'_>, table: &crate::table::Table<'_>) -> Result<(), Problem> {
    let batches = builder.batches(table)?;
    let condition = builder.templates.render("{{ new|ident }} IS NULL AND {{ value }} IS NOT NULL")?;
    builder.templates.set("remaining", condition.clone());
    builder.add(
        Step::backfill("fill", batches.with_remaining(&condition).directive)
            .why("Computes {{ new|ident }} for the rows that were written before the trigger.")
            .up("UPDATE {{ table }}\nSET    {{ new|ident }} = {{ value }}\nWHERE  {{ range }} AND {{ remaining }};")
            .down("-- The values go with the column.\nSELECT 1;")
            .releases("The old release, and the first new one, which reads {{ new|ident }} and still writes {{ columns|idents }}: deploy it now.")
            .rollback("The values go with the column; nothing else was changed."),
    )
}
