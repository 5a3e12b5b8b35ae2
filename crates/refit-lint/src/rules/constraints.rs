//! What the rules about constraints share: the constraints that a statement adds, and the two steps that add them
//! safely.

use super::quoted;
use crate::check::StatementCheck;
use crate::schema::constraint_name;
use crate::sql::{AlterAction, Constraint, Name, Span};

/// The constraints that ALTER TABLE adds to a table that existed before, each with the span of its action.
pub(super) fn added<'a>(check: &StatementCheck<'a>) -> Vec<(&'a Name, Span, &'a Constraint)> {
    let Some((table, actions)) = check.alters() else { return Vec::new() };
    let constraints = actions.iter().filter_map(|(span, action)| match action {
        AlterAction::AddConstraint(constraint) => Some((table, *span, constraint)),
        _ => None,
    });
    constraints.collect()
}

/// NOT VALID now, VALIDATE later. `otherwise` is the action to use if its text is not in the file.
pub(super) fn in_two_steps(
    check: &StatementCheck<'_>,
    (table, span, constraint): (&Name, Span, &Constraint),
    otherwise: &str,
) -> String {
    let name = quoted(&constraint_name(table, constraint));
    let action = match check.written(span) {
        Some(written) => written.to_owned(),
        None => format!("ADD CONSTRAINT {name} {otherwise}"),
    };
    format!(
        "add it NOT VALID, so that only new rows are checked, and validate it in a later migration:\n\
         ALTER TABLE {table} {action} NOT VALID;\n\
         -- a later migration:\n\
         ALTER TABLE {table} VALIDATE CONSTRAINT {name};"
    )
}

/// A unique index built concurrently, then the constraint that uses it.
pub(super) fn over_an_index(table: &Name, constraint: &Constraint, kind: &str, columns: &[String]) -> String {
    let name = quoted(&constraint_name(table, constraint));
    format!(
        "build the index first, in its own migration, then add the constraint with it in the next:\n\
         -- refit: transaction = false\n\
         CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} ({});\n\
         -- the next migration:\n\
         ALTER TABLE {table} ADD CONSTRAINT {name} {kind} USING INDEX {name};",
        columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ")
    )
}
