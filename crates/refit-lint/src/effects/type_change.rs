//! ALTER COLUMN TYPE: which changes PostgreSQL makes without touching the rows.

use crate::sql::DataType;

/// What a change of type costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeChange {
    /// The catalog changes, nothing else.
    Free,
    /// Every row is written anew, with the indexes on the column.
    Rewrite,
    /// The old type is not known.
    Unknown,
}

/// What changing a column from one type to another costs; `from` is none when the set does not tell.
pub fn type_change(from: Option<&DataType>, to: &DataType) -> TypeChange {
    let Some(from) = from else { return TypeChange::Unknown };
    let free = from == to
        || (!from.array
            && !to.array
            && match (from.name.as_str(), to.name.as_str()) {
                // varchar(n) is checked text: widening it, or giving up the limit, changes no row.
                ("varchar", "varchar") => widened(&from.modifiers, &to.modifiers),
                ("varchar", "text") | ("text", "varchar") => to.modifiers.is_empty(),
                ("cidr", "inet") => true,
                ("numeric", "numeric") => numeric_widened(&from.modifiers, &to.modifiers),
                ("bit" | "varbit", "varbit") => {
                    from.name == to.name && widened(&from.modifiers, &to.modifiers)
                }
                (a, b) if a == b && is_time(a) => widened(&from.modifiers, &to.modifiers),
                _ => false,
            });
    if free { TypeChange::Free } else { TypeChange::Rewrite }
}

/// No limit, or a larger one.
fn widened(from: &[i32], to: &[i32]) -> bool {
    match (from.first(), to.first()) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(from), Some(to)) => to >= from,
    }
}

/// More digits before the point at the same scale.
fn numeric_widened(from: &[i32], to: &[i32]) -> bool {
    match (from, to) {
        (_, []) => true,
        ([], _) => false,
        ([from, from_scale @ ..], [to, to_scale @ ..]) => {
            to >= from && from_scale.first().unwrap_or(&0) == to_scale.first().unwrap_or(&0)
        }
    }
}

/// Precision of fractions of a second: no precision means six digits.
fn is_time(name: &str) -> bool {
    matches!(name, "timestamp" | "timestamptz" | "time" | "timetz" | "interval")
}
