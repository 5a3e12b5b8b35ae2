//! # USING INDEX with an index that cannot be used
//!
//! UNIQUE and PRIMARY KEY can use an index only if it is unique and valid and has no WHERE and no expression (42809).
//!
//! Lock: none is kept, the statement fails. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! -- refit: transaction = false
//! CREATE UNIQUE INDEX CONCURRENTLY posts_slug_key ON posts (slug) WHERE status = 'published';
//! -- file: V2__key.sql
//! ALTER TABLE posts ADD CONSTRAINT posts_slug_key UNIQUE USING INDEX posts_slug_key;
//! ```
//!
//! ```toml,claim
//! error = "42809"
//! ```
//!
//! ```sql,safe
//! -- refit: transaction = false
//! CREATE UNIQUE INDEX CONCURRENTLY posts_slug_key ON posts (slug);
//! -- file: V2__key.sql
//! ALTER TABLE posts ADD CONSTRAINT posts_slug_key UNIQUE USING INDEX posts_slug_key;
//! ```

use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::rule::{Check, Rule};
use crate::sql::{AlterAction, ConstraintKind, Name, StmtKind};

pub(super) const RULE: Rule = Rule {
    name: "unusable-index",
    source: include_str!("unusable_index.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let StmtKind::Alter { table, actions, .. } = &check.stmt.kind else { return };
    for (span, action) in actions {
        let AlterAction::AddConstraint(constraint) = action else { continue };
        let (ConstraintKind::Unique { using_index: Some(index), .. }
        | ConstraintKind::PrimaryKey { using_index: Some(index), .. }) = &constraint.kind
        else {
            continue;
        };
        let key = Name { schema: table.schema.clone(), ..index.clone() }.key();
        let Some(known) = check.schema.indexes.get(&key) else { continue };
        let why = if !known.unique {
            "is not unique"
        } else if known.partial {
            "has a WHERE"
        } else if known.columns.iter().any(Option::is_none) {
            "has an expression"
        } else {
            continue;
        };
        let message = format!("{index} {why}: USING INDEX fails (42809)");
        let columns: Vec<String> = known
            .columns
            .iter()
            .map(|column| column.as_deref().map_or("…".to_owned(), super::quoted))
            .collect();
        let help = format!(
            "build a usable one, in its own migration:\n\
             -- refit: transaction = false\n\
             CREATE UNIQUE INDEX CONCURRENTLY {} ON {table} ({});",
            super::quoted(&format!("{}_key", index.name)),
            columns.join(", ")
        );
        check.report_at(*span, message).help(help);
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn indexes_that_are_no_keys() {
        let with = |index: &str| {
            format!(
                "-- refit: transaction = false\nCREATE {index};\n-- file: V2__x.sql\nALTER TABLE posts ADD PRIMARY KEY USING INDEX i;"
            )
        };
        let texts = [
            with("INDEX CONCURRENTLY i ON posts (slug)"),
            with("UNIQUE INDEX CONCURRENTLY i ON posts (lower(slug))"),
            with("UNIQUE INDEX CONCURRENTLY i ON posts (slug) WHERE score > 0"),
        ];
        for text in &texts {
            fires("unusable-index", &[text]);
        }
        silent(
            "unusable-index",
            &[
                &with("UNIQUE INDEX CONCURRENTLY i ON posts (slug)"),
                "ALTER TABLE posts ADD UNIQUE USING INDEX unknown;",
            ],
        );
    }
}
