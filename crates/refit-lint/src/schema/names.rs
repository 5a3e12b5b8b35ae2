//! The names of constraints: as they are written, or as the server makes them up.

use super::{ConstraintType, Schema};
use crate::sql::{Constraint, ConstraintKind, Expr, Name};

/// A name, or where it is taken the first that the server makes of it by counting.
pub(super) fn free_name<'a>(name: String, taken: impl Iterator<Item = &'a str>) -> String {
    let taken: Vec<&str> = taken.filter(|known| known.starts_with(&name)).collect();
    let mut numbered = std::iter::once(name.clone()).chain((1..).map(|number| format!("{name}{number}")));
    numbered.find(|name| !taken.contains(&name.as_str())).unwrap_or(name.clone())
}

/// The name that a constraint gets which is added to a table of the schema.
pub(crate) fn added_name(schema: &Schema, table: &Name, constraint: &Constraint) -> String {
    let name = constraint_name(table, constraint);
    if constraint.name.is_some() {
        return name;
    }
    let known = schema.table(table).map_or(&[][..], |known| &known.constraints);
    free_name(name, known.iter().map(|known| known.name.as_str()))
}

/// The name that a table constraint has: its own, or the one that the server gives it.
pub(crate) fn constraint_name(table: &Name, constraint: &Constraint) -> String {
    if let Some(name) = &constraint.name {
        return name.clone();
    }
    let (kind, columns) = match &constraint.kind {
        ConstraintKind::NotNull(column) => (ConstraintType::NotNull, column.iter().cloned().collect()),
        ConstraintKind::Null => (ConstraintType::Check, Vec::new()),
        ConstraintKind::Check(check) => (ConstraintType::Check, only_column(check)),
        ConstraintKind::Unique { columns, .. } => (ConstraintType::Unique, columns.clone()),
        ConstraintKind::PrimaryKey { columns, .. } => (ConstraintType::PrimaryKey, columns.clone()),
        ConstraintKind::ForeignKey { columns, .. } => (ConstraintType::ForeignKey, columns.clone()),
        ConstraintKind::Exclude => (ConstraintType::Exclude, Vec::new()),
    };
    made_up_name(&table.name, kind, &columns)
}

/// The column that a condition is about, when it is one: the server names a CHECK after it.
pub(super) fn only_column(check: &Expr) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    check.walk(&mut |part| match part {
        Expr::Column { name, .. } if !columns.contains(name) => columns.push(name.clone()),
        _ => {}
    });
    if columns.len() == 1 { columns } else { Vec::new() }
}

/// The name that the server gives to a constraint without one.
pub(super) fn made_up_name<S: AsRef<str>>(table: &str, kind: ConstraintType, columns: &[S]) -> String {
    let (columns, suffix) = match kind {
        ConstraintType::PrimaryKey => (&[][..], "pkey"),
        ConstraintType::Unique => (columns, "key"),
        ConstraintType::ForeignKey => (columns, "fkey"),
        ConstraintType::Check => (columns, "check"),
        ConstraintType::Exclude => (columns, "excl"),
        ConstraintType::NotNull => (columns, "not_null"),
    };
    let parts = || [table].into_iter().chain(columns.iter().map(AsRef::as_ref));
    let mut name = String::with_capacity(parts().map(|part| part.len() + 1).sum::<usize>() + suffix.len());
    for part in parts() {
        name.push_str(part);
        name.push('_');
    }
    name.push_str(suffix);
    name
}
