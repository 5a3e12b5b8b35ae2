//! ALTER COLUMN TYPE: which changes PostgreSQL makes without rewriting the rows.

use crate::schema::Schema;
use crate::sql::{DataType, Expr, Name};

/// The cost of a type change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeChange {
    /// Only the catalog changes.
    Free,
    /// The rows are kept and read once, for a CHECK on the column.
    Recheck,
    /// The rows are kept, the indexes on the column are rebuilt.
    Reindex,
    /// Every row and the indexes on the column are rewritten.
    Rewrite,
    /// The old type is not known.
    Unknown,
}

/// The cost of ALTER COLUMN TYPE on a column of the schema.
pub fn column_change(
    schema: &Schema,
    table: &Name,
    column: &str,
    to: &DataType,
    using: Option<&Expr>,
    collate: bool,
) -> TypeChange {
    let from = schema.column(table, column).and_then(|known| known.data_type.as_deref());
    if using.is_some_and(|using| !is_plain_cast(using, column, to)) {
        return TypeChange::Rewrite;
    }
    match type_change(from, to, schema) {
        // An index is kept if it is plain, complete, and compares as before.
        TypeChange::Free if schema.is_computed_from(table, column) && from != Some(to) => TypeChange::Reindex,
        TypeChange::Free if (collate || is_zone_change(from, to)) && schema.may_be_indexed(table, column) => {
            TypeChange::Reindex
        }
        TypeChange::Free if schema.is_checked(table, column) => TypeChange::Recheck,
        change => change,
    }
}

/// timestamp and timestamptz are stored alike but have different operators.
fn is_zone_change(from: Option<&DataType>, to: &DataType) -> bool {
    from.is_some_and(|from| from.name.starts_with("timestamp") && from.name != to.name)
}

/// `USING c` and `USING c::type` have the same effect as no USING.
fn is_plain_cast(using: &Expr, column: &str, to: &DataType) -> bool {
    match using {
        Expr::Column { name, .. } => name == column,
        Expr::Cast { value, to: written } => {
            let same = *written == to.name || to.modifiers.is_empty() && written.replace(' ', "") == to.name;
            same && is_plain_cast(value, column, to)
        }
        _ => false,
    }
}

/// The cost of changing a column from one type to another; `from` is `None` if the set does not show the old type.
pub fn type_change(from: Option<&DataType>, to: &DataType, schema: &Schema) -> TypeChange {
    let Some(from) = from else { return TypeChange::Unknown };
    if from == to {
        return TypeChange::Free;
    }
    // A domain is stored like its base type; only its own constraints have to be checked.
    if let Some(domain) = schema.domains.get(&from.name).filter(|_| !from.array) {
        return type_change(Some(&domain.base), to, schema);
    }
    if let Some(domain) = schema.domains.get(&to.name).filter(|_| !to.array) {
        let checked = domain.constrained;
        return if checked { TypeChange::Rewrite } else { type_change(Some(from), &domain.base, schema) };
    }
    let free = !from.array
        && !to.array
        && match (from.name.as_str(), to.name.as_str()) {
            // varchar(n) is text with a check: widening it or removing the limit rewrites no row.
            ("varchar", "varchar") => widened(&from.modifiers, &to.modifiers),
            ("varchar", "text") | ("text" | "xml", "varchar") | ("xml", "text") => to.modifiers.is_empty(),
            // In UTC, timestamp and timestamptz have the same value.
            ("timestamp", "timestamptz") | ("timestamptz", "timestamp") => {
                schema.in_utc && digits(&to.modifiers) >= digits(&from.modifiers)
            }
            ("cidr", "inet") => true,
            ("numeric", "numeric") => numeric_widened(&from.modifiers, &to.modifiers),
            ("varbit", "varbit") => widened(&from.modifiers, &to.modifiers),
            (a, b) if a == b && is_time(a) => digits(&to.modifiers) >= digits(&from.modifiers),
            _ => false,
        };
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

/// More digits before the decimal point at the same scale.
fn numeric_widened(from: &[i32], to: &[i32]) -> bool {
    match (from, to) {
        (_, []) => true,
        ([], _) => false,
        ([from, from_scale @ ..], [to, to_scale @ ..]) => {
            to >= from && from_scale.first().unwrap_or(&0) == to_scale.first().unwrap_or(&0)
        }
    }
}

/// No precision means six fractional digits.
fn digits(modifiers: &[i32]) -> i32 {
    modifiers.first().copied().unwrap_or(6)
}

/// Types whose modifier is a number of fractional digits of a second.
fn is_time(name: &str) -> bool {
    matches!(name, "timestamp" | "timestamptz" | "time" | "timetz" | "interval")
}
