//! # Add a foreign key
//!
//! `--references authors(id)` names the table and its columns; without columns, its primary key is meant. A key that no index
//! begins with makes each DELETE of the referenced table read the whole table, so an index is written as well, unless there
//! is one or `--no-index` is given.
//!
//! Files: the index; the constraint, which applies to new rows at once; its validation. No release that writes rows without
//! their counterpart may run when the second one is applied.
//!
//! Locks: SHARE ROW EXCLUSIVE on both tables for a moment; the validation lets reads and writes continue.

use crate::builder::Builder;
use crate::parts::{checks, constraint, index};
use crate::problem::Problem;
use crate::recipe::Recipe;
use crate::step::{Phase, Step};
use crate::table::Table;

pub(super) const RECIPE: Recipe = Recipe {
    name: "add-foreign-key",
    source: include_str!("add_foreign_key.rs"),
    required: &["table", "column", "references"],
    optional: &["on-delete", "object-name", "no-index"],
    one_column: false,
    build,
};

fn build(builder: &mut Builder<'_>) -> Result<(), Problem> {
    let table = builder.table()?;
    let columns = builder.columns(&table)?;
    if table.is_partitioned() && builder.postgres < 18 {
        let message = format!("{} is partitioned, where NOT VALID fails up to PostgreSQL 17", table.name);
        return Err(Problem::new(message));
    }
    let definition = definition(builder, &columns)?;
    builder.templates.set("definition", definition.clone());
    let middle = columns.join("_");
    let name = builder.object_name(&table, &middle, "fkey")?;
    builder.templates.set("constraint", name.clone());
    builder.purpose("Every row of {{ table }} refers to a row that exists.")?;
    let mut title = "";
    if !builder.arguments.has("no-index") && !index::is_indexed(&table, &columns) {
        let index = builder.names.choose(&table.name, &middle, "idx");
        builder.templates.set("index_path", table.beside(&index));
        builder.templates.set("index", index);
        builder.add(
            Step::index("", Phase::Expand)
                .why("Without an index, each DELETE of a referenced row would read the whole table.")
                .up(index::CREATE)
                .down("DROP INDEX CONCURRENTLY {{ index_path }};")
                .check(checks::INDEX),
        )?;
        title = "constrain";
    }
    let [add, validate] = constraint::steps(&table, &name, &definition, [title, "validate"], Phase::Expand);
    builder.add(
        add.why("New rows are checked from now on; those that are there, by the next migration.")
            .releases("Releases that write only rows whose counterpart exists."),
    )?;
    builder.add(validate.releases("Releases that write only rows whose counterpart exists."))
}

/// `FOREIGN KEY (a) REFERENCES t (b) ON DELETE …`.
fn definition(builder: &Builder<'_>, columns: &[String]) -> Result<String, Problem> {
    let given = builder.required("references")?;
    let (name, list) = match given.trim_end().strip_suffix(')').and_then(|rest| rest.split_once('(')) {
        Some((name, list)) => (name.trim(), list.split(',').map(|column| column.trim().to_owned()).collect()),
        None => (given.trim(), Vec::new()),
    };
    let target = Table::of(name, builder.catalog)?;
    for column in &list {
        target.column(column)?;
    }
    let list = if list.is_empty() { target.primary_key().unwrap_or_default() } else { list };
    if list.is_empty() {
        let message = format!("which columns of {name}? Write --references '{name}(column)'");
        return Err(Problem::new(message));
    }
    if list.len() != columns.len() {
        return Err(Problem::new(format!("{} columns refer to {}: give as many", columns.len(), list.len())));
    }
    let idents = |names: &[String]| {
        names.iter().map(|name| refit_model::quoted_name(name)).collect::<Vec<_>>().join(", ")
    };
    let action = match builder.arguments.one("on-delete") {
        None | Some("no-action") => "",
        Some("cascade") => " ON DELETE CASCADE",
        Some("restrict") => " ON DELETE RESTRICT",
        Some("set-null") => " ON DELETE SET NULL",
        Some(other) => {
            let message = format!("--on-delete {other} is none of cascade, restrict, set-null, no-action");
            return Err(Problem::new(message));
        }
    };
    Ok(format!(
        "FOREIGN KEY ({}) REFERENCES {} ({}){action}",
        idents(columns),
        target.written(),
        idents(&list)
    ))
}
