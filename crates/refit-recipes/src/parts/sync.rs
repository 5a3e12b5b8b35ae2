//! A second column for the same value: a trigger keeps both equal, whichever of them a release writes.
//!
//! The trigger changes the row that is being written and no other, so that it cannot run in a loop.

use refit_catalog::{Column, bare};

use super::index::{at_once, definition};
use crate::builder::{Builder, element};
use crate::problem::Problem;
use crate::step::{Phase, Step};
use crate::table::{Table, columns_of, mentions};

/// What the descriptions say of conflicts.
pub(crate) const RULE: &str = "A trigger keeps both columns equal. What a statement changes wins: an UPDATE of either column sets the other; \
     if one statement changes both, {{ new|ident }} wins. An INSERT may give either; if it gives both, the column without a \
     default wins. The trigger changes only the row that is written, so it cannot run in a loop. Triggers of your own that are \
     declared `UPDATE OF` one of the columns do not fire when the other is written.";

/// `{{ swapped }}` says whether `{{ new }}` is the column that was there first, with its default.
const FUNCTION: &str = "\
CREATE {% if replace %}OR REPLACE {% endif %}FUNCTION {{ function }}() RETURNS trigger
LANGUAGE plpgsql{% if pinned %} SET search_path FROM CURRENT{% endif %} AS $refit$
BEGIN
    IF TG_OP = 'INSERT' THEN
{%- if swapped %}
        IF NEW.{{ old|ident }} IS NOT NULL THEN
            NEW.{{ new|ident }} := {{ using_row }};
        ELSE
            NEW.{{ old|ident }} := {{ back_row }};
        END IF;
{%- else %}
        IF NEW.{{ new|ident }} IS NULL THEN
            NEW.{{ new|ident }} := {{ using_row }};
        ELSIF NEW.{{ new|ident }} IS DISTINCT FROM {{ using_row }} THEN
            NEW.{{ old|ident }} := {{ back_row }};
        END IF;
{%- endif %}
    ELSIF NEW.{{ new|ident }} IS DISTINCT FROM OLD.{{ new|ident }} THEN
        -- Where both agree already, as in the backfill, nothing is converted back.
        IF NEW.{{ new|ident }} IS DISTINCT FROM {{ using_row }} THEN
            NEW.{{ old|ident }} := {{ back_row }};
        END IF;
    ELSIF NEW.{{ old|ident }} IS DISTINCT FROM OLD.{{ old|ident }} THEN
        NEW.{{ new|ident }} := {{ using_row }};
    END IF;
    RETURN NEW;
END
$refit$;
";

const TRIGGER: &str = "
CREATE TRIGGER {{ trigger|ident }}
    BEFORE INSERT OR UPDATE ON {{ table }}
    FOR EACH ROW EXECUTE FUNCTION {{ function }}();
";

const NO_TRIGGER: &str = "\
DROP TRIGGER {{ trigger|ident }} ON {{ table }};
DROP FUNCTION {{ function }}();
";

/// The old column and its type, and refuses what cannot have a second one.
pub(crate) fn old_column<'s>(
    builder: &mut Builder<'s>,
    table: &Table<'s>,
) -> Result<(String, &'s Column), Problem> {
    let (old, facts) = builder.column(table)?;
    let Some(facts) = facts else {
        return Err(Problem::new(
            "there is no snapshot that shows the column's type: run `cargo xtask snapshot` first",
        ));
    };
    if facts.identity.is_some() || !facts.generated.is_empty() {
        return Err(Problem::new(format!(
            "{old} is generated: a trigger cannot keep a second column equal to it"
        )));
    }
    if without_equality(&facts.type_name) {
        return Err(Problem::new(format!(
            "{old} is of type {}, whose values cannot be compared: change it to another type first",
            facts.type_name
        )));
    }
    if table.facts.is_some_and(|facts| mentions(&facts.partition_by, &old)) {
        return Err(Problem::new(format!("{} is partitioned by {old}: use another table", table.name)));
    }
    builder.templates.set("old", old.clone());
    builder.templates.set("old_type", typed(facts));
    Ok((old, facts))
}

fn without_equality(type_name: &str) -> bool {
    matches!(type_name, "json" | "xml" | "point" | "polygon" | "txid_snapshot" | "pg_snapshot")
}

/// The type of a column, with its collation.
pub(crate) fn typed(column: &Column) -> String {
    match column.collation.as_str() {
        "" => column.type_name.clone(),
        collation => format!("{} COLLATE {collation}", column.type_name),
    }
}

/// Chooses names; `{{ new }}`, `{{ using_row }}` and `{{ back_row }}` are set by the recipe.
pub(crate) fn name(builder: &mut Builder<'_>, table: &Table<'_>, column: &str) {
    let name = builder.names.choose(&table.name, column, "sync");
    builder.templates.set("function", table.beside(&name));
    builder.templates.set("trigger", name);
}

/// An expression over the columns of the row that is being written.
pub(crate) fn over_row(builder: &Builder<'_>, expression: &str) -> Result<String, Problem> {
    let table = builder.templates.render("{{ table_name|ident }}")?;
    Ok(format!("(SELECT {expression} FROM (SELECT NEW.*) AS {table})"))
}

/// The function and its trigger.
pub(crate) fn function(builder: &mut Builder<'_>, replace: bool, swapped: bool) -> Result<String, Problem> {
    builder.templates.set("replace", replace);
    builder.templates.set("swapped", swapped);
    builder.templates.render(FUNCTION)
}

/// The trigger of the function.
pub(crate) fn trigger(builder: &Builder<'_>) -> Result<String, Problem> {
    builder.templates.render(TRIGGER)
}

/// The end of both.
pub(crate) fn no_trigger(builder: &Builder<'_>) -> Result<String, Problem> {
    builder.templates.render(NO_TRIGGER)
}

/// The new column and the trigger. `first` comes before them, `last` after them in the down file.
pub(crate) fn begin(builder: &mut Builder<'_>, first: &str, last: &str) -> Result<(), Problem> {
    let add =
        builder.templates.render("ALTER TABLE {{ table }} ADD COLUMN {{ new|ident }} {{ new_type }};\n\n")?;
    let drop = builder.templates.render("ALTER TABLE {{ table }} DROP COLUMN {{ new|ident }};\n")?;
    let (function, trigger) = (function(builder, false, false)?, trigger(builder)?);
    let end = no_trigger(builder)?;
    builder.templates.set("checked", "");
    builder.add(
        Step::quick("", Phase::Expand)
            .why("Adds {{ new|ident }}, and the trigger that keeps it and {{ old|ident }} equal, whichever of them a release writes.")
            .up(format!("{first}{add}{function}{trigger}"))
            .down(format!("{end}{drop}{last}"))
            .check(
                "SELECT 'the trigger is missing, and the old column is still there' AS problem\n\
                 FROM   pg_catalog.pg_attribute\n\
                 WHERE  attrelid = pg_catalog.to_regclass({{ table|literal }}) AND attname = {{ old|literal }} AND NOT attisdropped\n\
                 AND    NOT EXISTS (\n    \
                     SELECT FROM pg_catalog.pg_trigger\n    \
                     WHERE  tgrelid = pg_catalog.to_regclass({{ table|literal }}) AND tgname = {{ trigger|literal }} AND tgenabled = 'O'\n\
                 );",
            )
            .releases("The old release."),
    )
}

/// The rows that were there before; `{{ using }}` is the value, over the columns of the row.
pub(crate) fn fill(builder: &mut Builder<'_>, table: &Table<'_>, old: &str) -> Result<(), Problem> {
    let batches = builder.batches(table)?;
    if batches.key.iter().any(|name| name == old) {
        return Err(Problem::new(format!(
            "batches walk {} by {old}, which the trigger writes: give --key with other columns",
            table.name
        )));
    }
    let condition = builder.templates.render("{{ new|ident }} IS NULL AND {{ using }} IS NOT NULL")?;
    let directive = batches.with_remaining(&condition).directive;
    builder.templates.set("remaining", condition);
    builder.add(
        Step::backfill("fill", directive)
            .why("Copies {{ old|ident }} to {{ new|ident }} for the rows that were written before the trigger.")
            .up("UPDATE {{ table }}\nSET    {{ new|ident }} = {{ using }}\nWHERE  {{ range }} AND {{ remaining }};")
            .down("-- The copies go with the column.\nSELECT 1;")
            .rollback("The copies go with the column; nothing else was changed."),
    )
}

/// The indexes of the old column for the new one, and a note about those that are not copied. `{{ copies }}` creates them for a
/// column that has the old name.
pub(crate) fn copy_indexes(
    builder: &mut Builder<'_>,
    table: &Table<'_>,
    old: &str,
    new: &str,
    with_keys: bool,
) -> Result<(), Problem> {
    builder.templates.set("copies", "");
    let Some(facts) = table.facts else { return Ok(()) };
    let (mut create, mut drop, mut again) = (String::new(), String::new(), String::new());
    let (mut copied, mut left) = (Vec::new(), Vec::new());
    let map = |column: &str| if column == old { new.to_owned() } else { column.to_owned() };
    let mut add = |builder: &mut Builder<'_>, index: &refit_catalog::Index, columns: Vec<String>| {
        let name = builder.names.choose(&table.name, &columns.join("_"), "idx");
        create.push_str(&definition(table, &name, index, &map));
        again.push_str(&at_once(&definition(table, &name, index, &|column| column.to_owned())));
        drop.push_str(&format!("DROP INDEX CONCURRENTLY IF EXISTS {};\n", table.beside(&name)));
        name
    };
    for (name, index) in facts.indexes.iter().filter(|(_, index)| !index.invalid) {
        let elements: Vec<(String, Option<String>)> =
            index.columns.iter().chain(&index.include).map(|text| element(table, text)).collect();
        let has = elements.iter().any(|(_, column)| column.as_deref() == Some(old));
        let hidden = elements.iter().any(|(sql, column)| column.is_none() && mentions(sql, old));
        if hidden || mentions(&index.predicate, old) || has && table.is_partitioned() {
            left.push(format!("index {}", bare(name)));
        } else if has {
            let columns = elements.iter().filter_map(|(_, column)| column.as_deref()).map(map).collect();
            let copy = add(builder, index, columns);
            copied.push(format!("index {} as {copy}", bare(name)));
        }
    }
    for (name, constraint) in &facts.constraints {
        let columns = columns_of(constraint);
        let is_key = matches!(constraint.kind.as_str(), "unique" | "primary key");
        if with_keys && is_key && columns.iter().any(|column| column == old) && !table.is_partitioned() {
            let index = refit_catalog::Index {
                unique: true,
                columns: constraint.columns.clone(),
                method: String::new(),
                ..constraint.index.clone()
            };
            let copy = add(builder, &index, columns.iter().map(|column| map(column)).collect());
            copied.push(format!("index of {} as {copy}", bare(name)));
        }
    }
    if !left.is_empty() {
        builder.notes.push(format!(
            "Not copied: {}. Create them for the new column if queries need them.",
            left.join(", ")
        ));
    }
    if copied.is_empty() {
        return Ok(());
    }
    builder.notes.push(format!("Copied: {}.", copied.join(", ")));
    builder.templates.set("copies", again);
    builder.add(
        Step::index("index", Phase::Migrate)
            .why("Queries by {{ new|ident }} find the same indexes. After the backfill: each of its rows would cost an entry.")
            .up(create)
            .down(drop),
    )
}

/// Refuses a column that foreign keys of other tables refer to.
pub(crate) fn refuse_referenced(builder: &Builder<'_>, table: &Table<'_>, old: &str) -> Result<(), Problem> {
    let Some(catalog) = builder.catalog else { return Ok(()) };
    for (key, other) in &catalog.tables {
        for (name, constraint) in &other.constraints {
            let Some(target) = &constraint.references else { continue };
            let same = Table::of(&target.table, builder.catalog).is_ok_and(|found| {
                table.facts.is_some_and(|own| found.facts.is_some_and(|found| std::ptr::eq(own, found)))
            });
            if same && target.columns.iter().any(|column| bare(column) == old) {
                return Err(Problem::new(format!(
                    "the foreign key {} of {key} refers to {old}: drop it first, and add it to the new column afterwards",
                    bare(name)
                )));
            }
        }
    }
    Ok(())
}
