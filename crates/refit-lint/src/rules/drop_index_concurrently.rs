//! # DROP INDEX CONCURRENTLY that fails
//!
//! It drops one index (two fail with 0A000), does not support CASCADE (0A000), and cannot drop the index of a PRIMARY
//! KEY, UNIQUE or EXCLUDE constraint (2BP01) or of a partitioned table (0A000).
//!
//! Write one statement per index. Drop a constraint with ALTER TABLE … DROP CONSTRAINT, which drops its index, and drop
//! whatever depends on an index by name.
//!
//! Lock: none, the statement fails. PostgreSQL 14 to 18.
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
        let message = "DROP INDEX CONCURRENTLY takes one index and fails with more (0A000)";
        check.report(message).help(format!("write one statement per index:\n{each}"));
    } else if *cascade {
        let message = "DROP INDEX CONCURRENTLY fails with CASCADE (0A000)";
        check.report(message).help(format!("drop the objects that depend on it by name, then:\n{each}"));
    } else if let Some((index, table, constraint)) =
        names.iter().find_map(|name| constraint_of(check, name).map(|(table, found)| (name, table, found)))
    {
        let message = format!(
            "{index} is the index of constraint {constraint} on {table}: dropping the index fails (2BP01)"
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
