//! Indexes: those of the snapshot as statements, and new ones.

use refit_catalog::{Index, bare};
use refit_model::quoted_name;

use crate::builder::{Builder, element};
use crate::names::split;
use crate::problem::Problem;
use crate::table::{Table, columns_of, parts};

/// A new index by the options.
pub(crate) const CREATE: &str = "\
CREATE {% if unique %}UNIQUE {% endif %}INDEX CONCURRENTLY {{ index|ident }} ON {{ table }}\
{% if method %} USING {{ method|ident }}{% endif %} ({{ columns|idents }})\
{% if include %} INCLUDE ({{ include|idents }}){% endif %}{% if distinct %} NULLS NOT DISTINCT{% endif %}\
{% if where %} WHERE {{ where }}{% endif %};
";

/// Takes the options of a new index, and returns its name.
pub(crate) fn options(
    builder: &mut Builder<'_>,
    table: &Table<'_>,
    columns: &[String],
) -> Result<String, Problem> {
    if table.is_partitioned() {
        return Err(Problem::new(format!(
            "{} is partitioned, where CREATE INDEX CONCURRENTLY fails: create the index ON ONLY the parent, concurrently \
             on each partition, and attach them",
            table.name
        )));
    }
    let arguments = builder.arguments;
    for column in arguments.all("include") {
        table.column(column)?;
    }
    builder.templates.set("unique", arguments.has("unique"));
    builder.templates.set("method", arguments.one("method").unwrap_or_default());
    builder.templates.set("include", arguments.all("include").to_vec());
    builder.templates.set("where", arguments.one("where").unwrap_or_default());
    builder.templates.set("distinct", nulls_not_distinct(builder)?);
    let middle = columns.join("_");
    let name = builder.object_name(table, &middle, if arguments.has("unique") { "key" } else { "idx" })?;
    builder.templates.set("index_path", table.beside(&name));
    builder.templates.set("index", name.clone());
    Ok(name)
}

/// Whether NULLS NOT DISTINCT was asked for.
pub(crate) fn nulls_not_distinct(builder: &Builder<'_>) -> Result<bool, Problem> {
    let asked = builder.arguments.has("nulls-not-distinct");
    match asked && builder.postgres < 15 {
        true => Err(Problem::new(
            "NULLS NOT DISTINCT needs PostgreSQL 15, and refit.toml says `postgres = 14` or nothing: raise it if all servers \
             have it",
        )),
        false => Ok(asked),
    }
}

/// An index of the snapshot, its table and its name.
pub(crate) fn find<'s>(builder: &Builder<'s>) -> Result<(Table<'s>, String, &'s Index), Problem> {
    let given = builder.required("index")?;
    let (schema, name) = parts(given)?;
    let catalog = builder.catalog.ok_or_else(|| {
        Problem::new("there is no snapshot that shows the index: run `cargo xtask snapshot` first")
    })?;
    let mut all: Vec<String> = Vec::new();
    for (key, facts) in &catalog.tables {
        let mut of_table = split(key);
        let table = of_table.pop().unwrap_or_default();
        let own = of_table.pop().unwrap_or_default();
        if schema.as_ref().is_some_and(|schema| *schema != own) {
            continue;
        }
        if facts.constraints.keys().any(|constraint| bare(constraint) == name) {
            return Err(Problem::new(format!(
                "{given} belongs to a constraint of {table}: change the constraint"
            )));
        }
        if let Some((_, index)) = facts.indexes.iter().find(|(known, _)| bare(known) == name) {
            let written = schema.clone().or_else(|| (own != "public").then_some(own));
            return Ok((Table { schema: written, name: table, facts: Some(facts) }, name, index));
        }
        all.extend(facts.indexes.keys().map(|name| bare(name)));
    }
    let near = refit_model::nearest(&name, all.iter().map(String::as_str));
    let instead = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
    Err(Problem::new(format!("the snapshot has no index {given}{instead}")))
}

/// The statement that creates an index of the snapshot, under a name; `map` may rename a column.
pub(crate) fn definition(
    table: &Table<'_>,
    name: &str,
    index: &Index,
    map: &dyn Fn(&str) -> String,
) -> String {
    let written = |text: &String| match element(table, text) {
        (sql, Some(column)) => {
            let old = quoted_name(&column);
            sql.strip_prefix(&old).map_or_else(|| sql.clone(), |rest| quoted_name(&map(&column)) + rest)
        }
        (sql, None) => sql,
    };
    let list = |columns: &[String]| columns.iter().map(written).collect::<Vec<_>>().join(", ");
    let mut sql = format!(
        "CREATE {}INDEX CONCURRENTLY {} ON {} USING {} ({})",
        if index.unique { "UNIQUE " } else { "" },
        quoted_name(name),
        table.written(),
        if index.method.is_empty() { "btree" } else { &index.method },
        list(&index.columns)
    );
    if !index.include.is_empty() {
        sql.push_str(&format!(" INCLUDE ({})", list(&index.include)));
    }
    if index.nulls_not_distinct {
        sql.push_str(" NULLS NOT DISTINCT");
    }
    if !index.options.is_empty() {
        let options: Vec<String> =
            index.options.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        sql.push_str(&format!(" WITH ({})", options.join(", ")));
    }
    if !index.predicate.is_empty() {
        sql.push_str(&format!(" WHERE {}", index.predicate));
    }
    sql + ";\n"
}

/// The same statement under a lock, for a down file that is one transaction.
pub(crate) fn at_once(create: &str) -> String {
    create.replacen("INDEX CONCURRENTLY ", "INDEX ", 1)
}

/// Whether an index of the table begins with these columns, in any order.
pub(crate) fn is_indexed(table: &Table<'_>, columns: &[String]) -> bool {
    let Some(facts) = table.facts else { return false };
    let begins = |found: &[String]| {
        found.len() >= columns.len() && found[..columns.len()].iter().all(|column| columns.contains(column))
    };
    let of_index = |index: &Index| -> Vec<String> {
        index.columns.iter().map_while(|text| element(table, text).1).collect()
    };
    let plain = facts.indexes.values().filter(|index| index.predicate.is_empty() && !index.invalid);
    let keys = facts.constraints.values().filter(|one| matches!(one.kind.as_str(), "primary key" | "unique"));
    plain.map(of_index).chain(keys.map(columns_of)).any(|found| begins(&found))
}
