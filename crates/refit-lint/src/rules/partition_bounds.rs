//! What the rules about partitions share: the bounds of a partition, as conditions on its rows.

use super::quoted;
use crate::check::StatementCheck;
use crate::sql::{Name, Span};
use crate::words::Words;

/// The bounds after FOR VALUES.
enum Bounds<'t> {
    Range(&'t str, &'t str),
    List(&'t str),
}

fn bounds<'t>(words: &Words<'t>) -> Option<Bounds<'t>> {
    let values = words.find(0, &["VALUES"])?;
    let parenthesised = |at: usize| {
        let (open, close) = (at + 1, words.closing(at + 1)?);
        Some((words.between(open + 1, close - 1)?, close))
    };
    let one = |text: &&str| {
        !text.contains(',') && !matches!(text.to_ascii_uppercase().as_str(), "MINVALUE" | "MAXVALUE")
    };
    match words.all.get(values + 1)? {
        word if word.is("IN") => Some(Bounds::List(parenthesised(values + 1)?.0)),
        word if word.is("FROM") => {
            let (lower, close) = parenthesised(values + 1)?;
            let (upper, _) = parenthesised(close + 1)?;
            Some(Bounds::Range(Some(lower).filter(one)?, Some(upper).filter(one)?))
        }
        _ => None,
    }
}

fn key(check: &StatementCheck<'_>, parent: &Name) -> String {
    let key = check.schema.table(parent).and_then(|known| known.partition_key.first());
    key.map_or("key".to_owned(), |key| quoted(key))
}

/// The condition that a row is within the bounds; with `…` if they cover more than one column.
pub(super) fn within(check: &StatementCheck<'_>, parent: &Name, span: Span) -> String {
    let key = key(check, parent);
    match bounds(&Words::of(check.written(span).unwrap_or_default())) {
        Some(Bounds::Range(lower, upper)) => {
            format!("{key} IS NOT NULL AND {key} >= {lower} AND {key} < {upper}")
        }
        Some(Bounds::List(list)) => format!("{key} IS NOT NULL AND {key} IN ({list})"),
        None => format!("{key} IS NOT NULL AND {key} >= … AND {key} < …"),
    }
}

/// The condition that a row is outside the bounds.
pub(super) fn outside(check: &StatementCheck<'_>, parent: &Name, span: Span) -> String {
    let key = key(check, parent);
    match bounds(&Words::of(check.written(span).unwrap_or_default())) {
        Some(Bounds::Range(lower, upper)) => format!("{key} < {lower} OR {key} >= {upper}"),
        Some(Bounds::List(list)) => format!("{key} NOT IN ({list})"),
        None => format!("{key} < … OR {key} >= …"),
    }
}
