//! # Turn a text column into an enum while both releases run
//!
//! Creates the type with `--values`, and a second column of it under the name that `--to` gives; a trigger keeps the two equal
//! in both directions. A row whose text is none of the values is set aside by the backfill and named by
//! `cargo xtask backfill status`; a release that writes such a text fails.
//!
//! Files: those of `change-column-type`; the first one creates the type as well. Deploy the new release before the last one;
//! once that is applied, no older release may run.
//!
//! Locks: ACCESS EXCLUSIVE on the table for moments. Rows are copied in batches; indexes are built concurrently.

use crate::builder::Builder;
use crate::parts::sync;
use crate::problem::Problem;
use crate::recipe::Recipe;
use crate::table::{Table, parts};
use crate::template::literal;

use super::second_column;

pub(super) const RECIPE: Recipe = Recipe {
    name: "enum-from-text",
    source: include_str!("enum_from_text.rs"),
    required: &["table", "column", "to", "type", "values"],
    optional: &["key"],
    one_column: true,
    build,
};

fn build(builder: &mut Builder<'_>) -> Result<(), Problem> {
    let table = builder.table()?;
    let (old, facts) = sync::old_column(builder, &table)?;
    let given = builder.required("type")?;
    let (schema, name) = parts(given)?;
    let name = builder.names.given(&name)?;
    let schema = schema.or_else(|| table.schema.clone());
    let written = Table { schema, name, facts: None }.written();
    let values: Vec<String> = builder.arguments.all("values").iter().map(|value| literal(value)).collect();
    if let Some(long) = builder.arguments.all("values").iter().find(|value| value.len() > 63) {
        return Err(Problem::new(format!("the value {long} has more than 63 bytes")));
    }
    builder.templates.set("new_type", written.clone());
    builder.purpose =
        format!("The values of {old} in {} are those of an enum, in another column.", table.name);
    let create = format!("CREATE TYPE {written} AS ENUM ({});\n", values.join(", "));
    second_column::build(builder, &table, &old, facts, &create, &format!("DROP TYPE {written};\n"))
}
