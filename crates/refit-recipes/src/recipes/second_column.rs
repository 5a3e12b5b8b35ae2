//! What `change-column-type` and `enum-from-text` share: a second column of another type.

use refit_catalog::{Column, Constraint, bare};
use refit_model::quoted_name;

use super::add_unique::over_index;
use crate::builder::Builder;
use crate::parts::index::{at_once, definition};
use crate::parts::sync::{self, RULE};
use crate::parts::{checks, constraint, not_null};
use crate::problem::Problem;
use crate::step::{Phase, Step};
use crate::table::{Table, columns_of, mentions};
use crate::template::literal;

/// All steps; `{{ new_type }}` and the purpose are set. `first` comes before the column, `last` after it when it goes.
pub(super) fn build(
    builder: &mut Builder<'_>,
    table: &Table<'_>,
    old: &str,
    facts: &Column,
    first: &str,
    last: &str,
) -> Result<(), Problem> {
    let new = builder.required("to")?.to_owned();
    table.is_new(&new)?;
    if table.primary_key().is_some_and(|key| key.iter().any(|column| column == old)) {
        return Err(Problem::new(format!(
            "{old} belongs to the primary key of {}, which stays as it is",
            table.name
        )));
    }
    sync::refuse_referenced(builder, table, old)?;
    builder.templates.set("new", new.clone());
    builder.templates.set("pinned", true);
    expressions(builder)?;
    sync::name(builder, table, old);
    let rule = builder.templates.render(RULE)?;
    builder.notes.push(rule);
    sync::begin(builder, first, last)?;
    sync::fill(builder, table, old)?;
    sync::copy_indexes(builder, table, old, &new, false)?;
    constraints(builder, table, old, &new)?;
    if facts.not_null {
        not_null::add(builder, table, &new)?;
    }
    end(builder, table, facts)
}

/// The conversions, over columns and over the row that is being written.
fn expressions(builder: &mut Builder<'_>) -> Result<(), Problem> {
    let arguments = builder.arguments;
    for (option, name, row, cast, cast_of_row) in [
        (
            "using",
            "using",
            "using_row",
            "{{ old|ident }}::{{ new_type }}",
            "NEW.{{ old|ident }}::{{ new_type }}",
        ),
        (
            "back",
            "back",
            "back_row",
            "{{ new|ident }}::{{ old_type }}",
            "NEW.{{ new|ident }}::{{ old_type }}",
        ),
    ] {
        let (value, of_row) = match arguments.one(option) {
            Some(given) => (format!("({given})"), sync::over_row(builder, given)?),
            None => (builder.templates.render(cast)?, builder.templates.render(cast_of_row)?),
        };
        builder.templates.set(name, value);
        builder.templates.set(row, of_row);
    }
    Ok(())
}

/// Copies unique constraints and foreign keys, and names what is not copied.
fn constraints(builder: &mut Builder<'_>, table: &Table<'_>, old: &str, new: &str) -> Result<(), Problem> {
    let Some(facts) = table.facts else { return Ok(()) };
    let mut left = Vec::new();
    for (name, constraint) in &facts.constraints {
        let columns = columns_of(constraint);
        let has = columns.iter().any(|column| column == old);
        let mapped: Vec<String> = columns
            .iter()
            .map(|column| if column == old { new.to_owned() } else { column.clone() })
            .collect();
        match constraint.kind.as_str() {
            "unique" if has && !constraint.deferrable && !table.is_partitioned() => {
                let copy = builder.names.choose(&table.name, &mapped.join("_"), "key");
                let distinct = if constraint.index.nulls_not_distinct { " NULLS NOT DISTINCT" } else { "" };
                builder.templates.set("columns", mapped);
                over_index(builder, table, &copy, distinct, false, "unique")?;
                builder.notes.push(format!("Copied: constraint {} as {copy}.", bare(name)));
            }
            "foreign key" if has && !constraint.deferrable => {
                let copy = builder.names.choose(&table.name, &mapped.join("_"), "fkey");
                foreign_key(builder, table, &copy, &mapped, constraint)?;
                builder.notes.push(format!("Copied: constraint {} as {copy}.", bare(name)));
            }
            "not null" => {}
            _ if has || mentions(&constraint.expression, old) => left.push(bare(name)),
            _ => {}
        }
    }
    if !left.is_empty() {
        builder.notes.push(format!(
            "Not copied: {}. Add what should hold for the new column, with the recipe `add-check` for example.",
            left.join(", ")
        ));
    }
    builder.notes.push(
        "Views, functions and policies that name the old column have to be changed before the last step."
            .to_owned(),
    );
    Ok(())
}

/// The old column's own indexes, constraints and comment, for when it comes back.
fn restored(builder: &Builder<'_>, table: &Table<'_>, old: &str) -> Result<String, Problem> {
    let Some(facts) = table.facts else { return Ok(String::new()) };
    let written = quoted_name(old);
    let mut text = String::new();
    for (name, index) in facts.indexes.iter().filter(|(_, index)| !index.invalid) {
        let mut parts = index.columns.iter().chain(&index.include).chain([&index.predicate]);
        if parts.any(|part| mentions(part, old)) {
            text.push_str(&at_once(&definition(table, &bare(name), index, &|column| column.to_owned())));
        }
    }
    for (name, constraint) in &facts.constraints {
        let columns = columns_of(constraint);
        if !columns.iter().any(|column| column == old) && !mentions(&constraint.expression, old) {
            continue;
        }
        let what = match constraint.kind.as_str() {
            "check" => format!("CHECK {}", constraint.expression),
            "unique" if constraint.index.nulls_not_distinct => {
                format!("UNIQUE NULLS NOT DISTINCT ({})", idents(&columns))
            }
            "unique" => format!("UNIQUE ({})", idents(&columns)),
            "foreign key" => referring(builder, &columns, constraint)?,
            _ => continue,
        };
        let name = quoted_name(&bare(name));
        text.push_str(&format!("ALTER TABLE {} ADD CONSTRAINT {name} {what};\n", table.written()));
    }
    if let Some(column) = table.column(old)?.filter(|column| !column.comment.is_empty()) {
        let comment = literal(&column.comment);
        text.push_str(&format!("COMMENT ON COLUMN {}.{written} IS {comment};\n", table.written()));
    }
    Ok(text + "\n")
}

fn idents(names: &[String]) -> String {
    names.iter().map(|name| quoted_name(name)).collect::<Vec<_>>().join(", ")
}

/// The definition of a foreign key from other columns.
fn referring(builder: &Builder<'_>, columns: &[String], constraint: &Constraint) -> Result<String, Problem> {
    let Some(target) = &constraint.references else {
        return Err(Problem::new("a foreign key refers to nothing"));
    };
    let targets: Vec<String> = target.columns.iter().map(|column| bare(column)).collect();
    let table = Table::of(&target.table, builder.catalog)?.written();
    let mut definition =
        format!("FOREIGN KEY ({}) REFERENCES {table} ({})", idents(columns), idents(&targets));
    for (event, action) in [("UPDATE", &target.on_update), ("DELETE", &target.on_delete)] {
        if !action.is_empty() {
            definition.push_str(&format!(" ON {event} {}", action.to_uppercase()));
        }
    }
    Ok(definition)
}

fn foreign_key(
    builder: &mut Builder<'_>,
    table: &Table<'_>,
    name: &str,
    columns: &[String],
    constraint: &Constraint,
) -> Result<(), Problem> {
    let definition = referring(builder, columns, constraint)?;
    builder.templates.set("constraint", name);
    builder.templates.set("definition", definition.clone());
    let [add, validate] =
        constraint::steps(table, name, &definition, ["key", "validate_key"], Phase::Migrate);
    builder.add(
        add.why("The new column refers to the same table; the rows are looked at by the next migration."),
    )?;
    builder.add(validate)
}

fn end(builder: &mut Builder<'_>, table: &Table<'_>, facts: &Column) -> Result<(), Problem> {
    let restored = restored(builder, table, &bare(&facts.name))?;
    let (function, trigger) = (sync::function(builder, false, false)?, sync::trigger(builder)?);
    let no_trigger = sync::no_trigger(builder)?;
    builder.templates.set("default", facts.default.clone());
    builder.templates.set("old_not_null", facts.not_null);
    let drop = builder.templates.render(
        "{% if default %}ALTER TABLE {{ table }} ALTER COLUMN {{ new|ident }} SET DEFAULT ({{ default }})::{{ new_type }};\n\
         {% endif %}ALTER TABLE {{ table }} DROP COLUMN {{ old|ident }};\n",
    )?;
    let add = builder.templates.render(
        "-- Others wait until all rows are converted and all indexes are built.\n\
         ALTER TABLE {{ table }} ADD COLUMN {{ old|ident }} {{ old_type }};\n\
         UPDATE {{ table }} SET {{ old|ident }} = {{ back }};\n\
         {% if default %}ALTER TABLE {{ table }} ALTER COLUMN {{ old|ident }} SET DEFAULT {{ default }};\n\
         ALTER TABLE {{ table }} ALTER COLUMN {{ new|ident }} DROP DEFAULT;\n{% endif %}\
         {% if old_not_null %}ALTER TABLE {{ table }} ALTER COLUMN {{ old|ident }} SET NOT NULL;\n{% endif %}\n",
    )?;
    builder.templates.set("column", builder.required("to")?);
    builder.add(
        Step::quick("end", Phase::Contract)
            .manual()
            .why("Every release that runs uses {{ new|ident }}: the old column and the trigger have done their work.")
            .up(format!("{no_trigger}{drop}"))
            .down(format!("{add}{restored}{function}{trigger}"))
            .check(checks::COLUMN)
            .releases("Only the new release.")
            .rollback(
                "Its down file adds the old column again, converts all rows in one statement, and builds its indexes and \
                 constraints, while others wait.",
            ),
    )?;
    // The new release may be deployed once everything but the last step is applied.
    let count = builder.steps.len();
    if let Some(step) = count.checked_sub(2).and_then(|at| builder.steps.get_mut(at)) {
        step.releases = String::from("The old and the new release: deploy the new one now.").into();
    }
    Ok(())
}
