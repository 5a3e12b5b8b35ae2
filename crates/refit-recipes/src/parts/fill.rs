//! A column whose NULLs get a value: a trigger for rows that are written from now on, a backfill for those before.

use crate::builder::Builder;
use crate::problem::Problem;
use crate::step::{Phase, Step};
use crate::table::Table;

const TRIGGER: &str = "\
CREATE FUNCTION {{ function }}() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $refit$
BEGIN
    NEW.{{ column|ident }} := (SELECT {{ value }} FROM (SELECT NEW.*) AS {{ table_name|ident }});
    RETURN NEW;
END
$refit$;

CREATE TRIGGER {{ trigger|ident }}
    BEFORE INSERT OR UPDATE ON {{ table }}
    FOR EACH ROW WHEN (NEW.{{ column|ident }} IS NULL)
    EXECUTE FUNCTION {{ function }}();
";

const NO_TRIGGER: &str = "\
DROP TRIGGER {{ trigger|ident }} ON {{ table }};
DROP FUNCTION {{ function }}();
";

/// Chooses the names of the trigger and its function.
pub(crate) fn name(builder: &mut Builder<'_>, table: &Table<'_>, column: &str) {
    let name = builder.names.choose(&table.name, column, "fill");
    builder.templates.set("function", table.beside(&name));
    builder.templates.set("trigger", name);
}

/// The trigger, behind statements that come first; `before_down` follows in the down file.
pub(crate) fn begin(
    builder: &mut Builder<'_>,
    first: &str,
    last: &str,
    title: &'static str,
) -> Result<(), Problem> {
    let up = builder.templates.render(TRIGGER)?;
    let down = builder.templates.render(NO_TRIGGER)?;
    builder.add(
        Step::quick(title, Phase::Expand)
            .why("Rows that any release writes from now on get a value in {{ column|ident }} if they have none.")
            .up(format!("{first}{up}"))
            .down(format!("{down}{last}"))
            .releases("The old release, and a new one that may still find NULL in the column."),
    )
}

/// The backfill of the rows before.
pub(crate) fn fill(builder: &mut Builder<'_>, table: &Table<'_>) -> Result<(), Problem> {
    let batches = builder.batches(table)?;
    builder.add(
        Step::backfill("fill", batches.directive)
            .why("Gives a value to the rows that were written before the trigger.")
            .up("UPDATE {{ table }}\nSET    {{ column|ident }} = {{ value }}\nWHERE  {{ range }} AND {{ column|ident }} IS NULL;")
            .down("-- The values stay: the trigger would write them again.\nSELECT 1;")
            .check("SELECT {{ key|idents }} FROM {{ table }} WHERE {{ column|ident }} IS NULL LIMIT 10;")
            .rollback("The values that were filled in stay: the trigger would write them again."),
    )
}

/// Drops the trigger, once no release relies on it.
pub(crate) fn end(builder: &mut Builder<'_>) -> Result<(), Problem> {
    builder.add(
        Step::quick("end", Phase::Contract)
            .manual()
            .why("Every release that runs writes a value to {{ column|ident }}: the trigger has done its work.")
            .up(NO_TRIGGER)
            .down(TRIGGER)
            .releases("Only the new release, which writes the column."),
    )
}
