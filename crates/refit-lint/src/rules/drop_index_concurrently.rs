//! # DROP INDEX CONCURRENTLY that fails
//!
//! It takes one index (two fail with 0A000), knows no CASCADE (0A000), and cannot drop the index of a PRIMARY KEY, UNIQUE or EXCLUDE
//! constraint (2BP01), nor that of a partitioned table (0A000).
//!
//! Write a statement for each index; drop the constraint of its own index with ALTER TABLE … DROP CONSTRAINT, and what depends on an index by
//! name.
//!
//! Lock: none is taken, the statement fails. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! -- refit: transaction = false
//! DROP INDEX CONCURRENTLY posts_author_id_idx CASCADE;
//! ```
//!
//! ```toml,claim
//! error = "0A000"
//! ```
//!
//! ```sql,unsafe
//! -- refit: transaction = false
//! DROP INDEX CONCURRENTLY posts_archive_pkey;
//! ```
//!
//! ```toml,claim
//! error = "2BP01"
//! ```
//!
//! ```sql,safe
//! -- refit: transaction = false
//! DROP INDEX CONCURRENTLY posts_author_id_idx;
//! ```

use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::rule::{Check, Rule};
use crate::schema::ConstraintType;
use crate::sql::{Name, StmtKind};

pub(super) const RULE: Rule = Rule {
    name: "drop-index-concurrently",
    source: include_str!("drop_index_concurrently.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let StmtKind::Drop { what, names, concurrently: true, cascade } = &check.stmt.kind else { return };
    if what != "INDEX" {
        return;
    }
    let each: Vec<String> = names.iter().map(|name| format!("DROP INDEX CONCURRENTLY {name};")).collect();
    let each = each.join("\n");
    if names.len() > 1 {
        let message = "DROP INDEX CONCURRENTLY takes one index: with more it fails (0A000)";
        check.report(message).help(format!("write a statement for each:\n{each}"));
    } else if *cascade {
        let message = "DROP INDEX CONCURRENTLY knows no CASCADE: it fails (0A000)";
        check.report(message).help(format!("drop by name what depends on it, then:\n{each}"));
    } else if let Some((index, table, constraint)) =
        names.iter().find_map(|name| constraint_of(check, name).map(|(table, found)| (name, table, found)))
    {
        let message = format!(
            "{index} is the index of the constraint {constraint} of {table}: dropping it by itself fails (2BP01)"
        );
        let help = format!(
            "drop the constraint:\nALTER TABLE {table} DROP CONSTRAINT {};",
            super::quoted(&constraint)
        );
        check.report(message).help(help);
    }
}

fn constraint_of(check: &StatementCheck<'_>, index: &Name) -> Option<(Name, String)> {
    let has = |constraint: &crate::schema::ConstraintDef| {
        constraint.name == index.name
            && matches!(
                constraint.kind,
                ConstraintType::PrimaryKey | ConstraintType::Unique | ConstraintType::Exclude
            )
    };
    let found = check.schema.tables.iter().filter(|(key, table)| {
        let schema = Name::of_key(key, index.span).schema;
        let same = schema.as_deref().unwrap_or("public") == index.schema.as_deref().unwrap_or("public");
        same && table.constraints.iter().any(has)
    });
    let key = found.map(|(key, _)| key).min()?;
    Some((Name::of_key(key, index.span), index.name.clone()))
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn forms_that_fail() {
        fires(
            "drop-index-concurrently",
            &[
                "-- refit: transaction = false\nDROP INDEX CONCURRENTLY a, b;",
                "-- refit: transaction = false\nDROP INDEX CONCURRENTLY IF EXISTS posts_pkey;",
            ],
        );
        silent(
            "drop-index-concurrently",
            &[
                "-- refit: transaction = false\nDROP INDEX CONCURRENTLY a;\nDROP INDEX CONCURRENTLY b;",
                "DROP INDEX a, b CASCADE;",
            ],
        );
    }
}
