//! ATTACH PARTITION: whether the rows are known to be within the bounds, so that the scan can be skipped.

use crate::schema::Schema;
use crate::sql::{Compare, Expr, Name};

/// Whether a validated CHECK bounds the partition key and its column cannot be null. The values of the bounds are not
/// compared.
pub fn proves_bounds(schema: &Schema, parent: &Name, partition: &Name) -> bool {
    let Some(child) = schema.table(partition) else { return false };
    // Multi-column bounds are compared column by column, so the first column decides.
    let key = schema.table(parent).and_then(|known| known.partition_key.first());
    let checks = child.constraints.iter().filter(|constraint| constraint.validated);
    checks.filter_map(|constraint| constraint.check.as_ref()).any(|check| {
        let mut bounds = Vec::new();
        collect(check, &mut bounds);
        let sides = |column: &str| {
            let of_column = || bounds.iter().filter(|(name, _)| *name == column).map(|(_, side)| *side);
            of_column().any(|side| side == Side::Both)
                || of_column().any(|side| side == Side::Lower) && of_column().any(|side| side == Side::Upper)
        };
        let is_null = |column: &str| {
            child.columns.get(column).is_some_and(|known| child.complete && !known.not_null)
                && !schema.proves_not_null(partition, column)
        };
        let mut columns =
            bounds.iter().map(|(column, _)| *column).filter(|column| key.is_none_or(|key| key == column));
        columns.any(|column| sides(column) && !is_null(column))
    })
}

/// The same for the DEFAULT partition: whether a validated CHECK excludes some range of rows, or keeps all of them
/// within other bounds.
pub fn excludes_bounds(schema: &Schema, parent: &Name, default: &Name) -> bool {
    let key = schema.table(parent).and_then(|known| known.partition_key.first());
    let is_key = |name: &str| key.is_none_or(|key| key == name);
    let checks = schema.table(default).into_iter().flat_map(|known| &known.constraints);
    let mut conditions = checks.filter(|check| check.validated).filter_map(|check| check.check.as_deref());
    let excludes = |condition: &Expr| match condition {
        Expr::InList { negated: true, value, .. } => column(value).is_some_and(is_key),
        Expr::Or(parts) => {
            let mut sides = Vec::new();
            parts.iter().for_each(|part| collect(part, &mut sides));
            let has = |side: Side| sides.iter().any(|(name, of)| is_key(name) && *of == side);
            has(Side::Lower) && has(Side::Upper)
        }
        _ => false,
    };
    conditions.any(excludes) || proves_bounds(schema, parent, default)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Lower,
    Upper,
    Both,
}

/// The bounds in a condition and in the operands of its ANDs.
fn collect<'a>(check: &'a Expr, bounds: &mut Vec<(&'a str, Side)>) {
    match check {
        Expr::And(parts) => parts.iter().for_each(|part| collect(part, bounds)),
        Expr::InList { negated: false, value, .. } | Expr::Between { negated: false, value, .. } => {
            bounds.extend(column(value).map(|column| (column, Side::Both)));
        }
        Expr::Compare { op, left, right } => {
            let (name, flipped) = match (column(left), column(right)) {
                (Some(name), _) => (name, false),
                (None, Some(name)) => (name, true),
                _ => return,
            };
            let side = match (op, flipped) {
                (Compare::Eq, _) => Side::Both,
                (Compare::Gt | Compare::Ge, false) | (Compare::Lt | Compare::Le, true) => Side::Lower,
                (Compare::Lt | Compare::Le, false) | (Compare::Gt | Compare::Ge, true) => Side::Upper,
                (Compare::Ne, _) => return,
            };
            bounds.push((name, side));
        }
        _ => {}
    }
}

fn column(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Column { name, .. } => Some(name),
        _ => None,
    }
}
