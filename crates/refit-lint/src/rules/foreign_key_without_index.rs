//! # A foreign key without an index on its own columns
//!
//! Each DELETE and each change of a key in the referenced table looks for rows that reference it. Without an index that
//! begins with the foreign key's columns, it reads the whole referencing table for every deleted row, and holds its
//! locks while it does.
//!
//! Create the index before the constraint, concurrently on an existing table. Indexes of earlier migrations count, and
//! so do those later in the same file. Off by default: an append-only table does not need one.
//!
//! ```sql,unsafe
//! CREATE TABLE comments (id bigint PRIMARY KEY, post_id bigint NOT NULL REFERENCES posts (id));
//! ```
//!
//! ```sql,safe
//! CREATE TABLE comments (id bigint PRIMARY KEY, post_id bigint NOT NULL REFERENCES posts (id));
//! CREATE INDEX comments_post_id_idx ON comments (post_id);
//! ```

use super::new_columns::is_primary_key;
use crate::check::StatementCheck;
use crate::rule::{Check, Rule};
use crate::sql::{AlterAction, Column, Constraint, ConstraintKind, Name, Span, StmtKind};

pub(super) const RULE: Rule = Rule {
    name: "foreign-key-without-index",
    source: include_str!("foreign_key_without_index.rs"),
    severity: None,
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let mut found: Vec<(Span, Vec<String>, Name)> = Vec::new();
    let table = match &check.stmt.kind {
        StmtKind::CreateTable(create) if !create.temporary => {
            create.columns.iter().for_each(|column| found.extend(of_column(check, column)));
            create.constraints.iter().for_each(|constraint| found.extend(of_table(constraint)));
            &create.name
        }
        StmtKind::Alter { table, actions, .. } => {
            for (_, action) in actions {
                match action {
                    AlterAction::AddColumn { column, .. } => found.extend(of_column(check, column)),
                    AlterAction::AddConstraint(constraint) => found.extend(of_table(constraint)),
                    _ => {}
                }
            }
            table
        }
        _ => return,
    };
    for (span, columns, referenced) in found {
        if has_index(check, table, &columns) {
            continue;
        }
        let list = columns.iter().map(|column| super::quoted(column)).collect::<Vec<_>>().join(", ");
        let index = super::quoted(&format!("{}_{}_idx", table.name, columns.join("_")));
        // No other session can wait for a new table.
        let help = match &check.stmt.kind {
            StmtKind::CreateTable(_) => format!(
                "create it after the table, in the same migration:\n{};\nCREATE INDEX {index} ON {table} ({list});",
                check.written(check.stmt.span).unwrap_or("CREATE TABLE …")
            ),
            _ => format!(
                "create it before the constraint, in its own migration:\n\
                 -- refit: transaction = false\n\
                 CREATE INDEX CONCURRENTLY {index} ON {table} ({list});"
            ),
        };
        check
            .report_at(
                span,
                format!("no index on {table} ({list}): each DELETE in {referenced} reads all of {table}"),
            )
            .table(table)
            .help(help);
    }
}

/// The foreign key of a column, unless the column has an index because it is unique or the table's primary key.
fn of_column(check: &StatementCheck<'_>, column: &Column) -> Option<(Span, Vec<String>, Name)> {
    let unique = |constraint: &Constraint| matches!(constraint.kind, ConstraintKind::Unique { .. });
    if is_primary_key(check, column) || column.constraints.iter().any(unique) {
        return None;
    }
    column.constraints.iter().find_map(|constraint| match &constraint.kind {
        ConstraintKind::ForeignKey { table, .. } => {
            Some((constraint.span, vec![column.name.clone()], table.clone()))
        }
        _ => None,
    })
}

fn of_table(constraint: &Constraint) -> Option<(Span, Vec<String>, Name)> {
    match &constraint.kind {
        ConstraintKind::ForeignKey { columns, table, .. } => {
            Some((constraint.span, columns.clone(), table.clone()))
        }
        _ => None,
    }
}

/// Whether an index begins with the columns, in any order: in the schema, in this statement, or in a later one.
fn has_index(check: &StatementCheck<'_>, table: &Name, columns: &[String]) -> bool {
    let leads = |key: &[Option<String>]| {
        key.len() >= columns.len()
            && key[..columns.len()].iter().flatten().filter(|column| columns.contains(column)).count()
                == columns.len()
    };
    let named = |key: &[String]| leads(&key.iter().cloned().map(Some).collect::<Vec<_>>());
    let own: Vec<&Constraint> = match &check.stmt.kind {
        StmtKind::CreateTable(create) => create.constraints.iter().collect(),
        _ => Vec::new(),
    };
    let key = table.key();
    own.iter().any(|constraint| match &constraint.kind {
        ConstraintKind::PrimaryKey { columns, .. } | ConstraintKind::Unique { columns, .. } => named(columns),
        _ => false,
    }) || check
        .schema
        .indexes
        .values()
        .any(|index| index.table == key && !index.partial && leads(&index.columns))
        || check.schema.table(table).is_some_and(|known| {
            use crate::schema::ConstraintType::{PrimaryKey, Unique};
            let keys = known.constraints.iter().filter(|known| matches!(known.kind, PrimaryKey | Unique));
            keys.into_iter().any(|known| {
                leads(&known.columns.iter().map(|column| Some(column.to_string())).collect::<Vec<_>>())
            })
        })
        || check.rest.iter().any(|stmt| match &stmt.kind {
            StmtKind::CreateIndex(index) => {
                index.table.key() == key && index.filter.is_none() && leads(&index.columns)
            }
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn keys_that_refer() {
        fires(
            "foreign-key-without-index",
            &[
                "ALTER TABLE posts ADD CONSTRAINT f FOREIGN KEY (score) REFERENCES authors (id) NOT VALID;",
                "CREATE TABLE t (a bigint, b bigint, PRIMARY KEY (a, b), FOREIGN KEY (b) REFERENCES posts);",
                "CREATE TABLE t (a bigint REFERENCES posts); CREATE INDEX ON t (a) WHERE a > 5;",
                "ALTER TABLE posts ADD COLUMN editor_id bigint REFERENCES authors (id);",
            ],
        );
        silent(
            "foreign-key-without-index",
            &[
                "ALTER TABLE posts ADD CONSTRAINT f FOREIGN KEY (author_id) REFERENCES authors (id) NOT VALID;",
                "CREATE TABLE t (a bigint, b bigint, PRIMARY KEY (a, b), FOREIGN KEY (b, a) REFERENCES x);",
                "CREATE TABLE t (a bigint PRIMARY KEY REFERENCES posts);",
                "CREATE TABLE t (a bigint REFERENCES posts UNIQUE);",
            ],
        );
    }
}
