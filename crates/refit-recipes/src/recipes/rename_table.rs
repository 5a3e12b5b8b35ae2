//! # Rename a table while both releases run
//!
//! The table gets its new name, and a view with the old name, in one transaction. PostgreSQL reads and writes through the
//! view, so that the old release continues; TRUNCATE, COPY from a file and LOCK of the old name do not work. From PostgreSQL 15 on, the
//! view applies the row security and privileges of the role that uses it; before that, a table with row security is refused.
//! Privileges are copied to the view. Columns that are added meanwhile are not visible through it.
//!
//! Files: the rename with the view; and, when you name it (`migrate --include`), the end of the view. Deploy the new release
//! after the first one; before the last one, no older release may run.
//!
//! Locks: ACCESS EXCLUSIVE on the table for a moment.

use crate::builder::Builder;
use crate::names::checked;
use crate::parts::checks;
use crate::problem::Problem;
use crate::recipe::Recipe;
use crate::step::{Phase, Step};
use crate::table::Table;

pub(super) const RECIPE: Recipe = Recipe {
    name: "rename-table",
    source: include_str!("rename_table.rs"),
    required: &["table", "to"],
    optional: &[],
    one_column: true,
    build,
};

const VIEW: &str = "\
CREATE VIEW {{ table }}{% if invoker %} WITH (security_invoker = true){% endif %} AS SELECT * FROM {{ renamed }};
{{ grants }}";

fn build(builder: &mut Builder<'_>) -> Result<(), Problem> {
    let table = builder.table()?;
    let to = checked(builder.required("to")?)?;
    let to = builder.names.given(to)?;
    let secured = table.facts.is_some_and(|facts| !facts.row_security.is_empty());
    if secured && builder.postgres < 15 {
        return Err(Problem::new(format!(
            "{} has row security, which a view passes by up to PostgreSQL 14: set `postgres = 15` in refit.toml if all servers \
             have it",
            table.name
        )));
    }
    builder.templates.set("renamed", table.beside(&to));
    builder.templates.set("to", to);
    builder.templates.set("invoker", builder.postgres >= 15);
    builder.templates.set("grants", grants(&table));
    let view = builder.templates.render(VIEW)?;
    let rename = builder.templates.render("ALTER TABLE {{ table }} RENAME TO {{ to|ident }};\n")?;
    builder.purpose("The table {{ table }} is called {{ to|ident }}, and no release notices the change.")?;
    builder.add(
        Step::quick("", Phase::Migrate)
            .why("The old release reads and writes through the view that has the old name.")
            .up(format!("{rename}{view}"))
            .down(
                "DROP VIEW {{ table }};\n\
                 ALTER TABLE {{ renamed }} RENAME TO {{ table_name|ident }};",
            )
            .check(
                "SELECT 'the table is missing' AS problem WHERE pg_catalog.to_regclass({{ renamed|literal }}) IS NULL;",
            )
            .releases("The old and the new release: deploy the new one now."),
    )?;
    builder.templates.set("gone", table.written());
    builder.add(
        Step::quick("end", Phase::Contract)
            .manual()
            .why("Every release that runs uses the new name: nothing reads the view any more.")
            .up("DROP VIEW {{ table }};\n")
            .down(view)
            .check(checks::NO_TABLE)
            .releases("Only the new release."),
    )
}

/// The table's privileges, for the view.
fn grants(table: &Table<'_>) -> String {
    let known = ["SELECT", "INSERT", "UPDATE", "DELETE"];
    let Some(facts) = table.facts else { return String::new() };
    let mut text = String::new();
    for (role, privileges) in facts.grants.iter().filter(|(role, _)| !role.starts_with('(')) {
        let named: Vec<&str> = match privileges.as_str() {
            "ALL" => known.to_vec(),
            list => list
                .split(", ")
                .map(|one| one.trim_end_matches('*'))
                .filter(|one| known.contains(one))
                .collect(),
        };
        if !named.is_empty() {
            text.push_str(&format!("GRANT {} ON {} TO {role};\n", named.join(", "), table.written()));
        }
    }
    text
}
