//! The ways in which a schema, and what two have otherwise, are printed.

use refit_catalog::{Catalog, Delta};
use refit_rehearsal::Snapshots;
use similar::TextDiff;

use super::coloured;
use super::side::Side;
use crate::output::Format;

/// The formats of a schema.
pub(super) const FORMATS: &[Format] = &[Format::Human, Format::Text, Format::Json];

/// A schema, and how it came about where that is known.
pub(super) enum Schema<'a> {
    /// Of a database.
    Database(&'a Catalog),
    /// Of a set, with what each migration changed.
    Set(&'a Snapshots),
}

/// The schema in a format, without a line ending at its end.
pub(super) fn schema(schema: &Schema<'_>, format: Format) -> String {
    let catalog = match schema {
        Schema::Database(catalog) => catalog,
        Schema::Set(made) => &made.snapshot.catalog,
    };
    match (schema, format) {
        (Schema::Database(catalog), Format::Json) => catalog.to_json(),
        (Schema::Set(made), Format::Json) => made.snapshot.to_json(),
        _ => {
            let text = catalog.text();
            if text.is_empty() { "the schema is empty".to_owned() } else { text.trim_end().to_owned() }
        }
    }
}

/// What the second has otherwise, and whether it has anything. Where one is known as text only, texts are compared.
pub(super) fn difference(before: &Side, after: &Side, format: Format) -> (String, bool) {
    if let (Some(a), Some(b)) = (&before.catalog, &after.catalog) {
        let delta = Delta::between(a, b);
        let text = match format {
            Format::Json => delta.to_json(),
            _ if delta.is_empty() => same(before, after),
            _ => coloured(&delta.text()).trim_end().to_owned(),
        };
        return (text, !delta.is_empty());
    }
    let (a, b) = (format!("{}\n", before.text.trim_end()), format!("{}\n", after.text.trim_end()));
    let diff = TextDiff::from_lines(&a, &b);
    let diff = diff.unified_diff().context_radius(3).header(&before.name, &after.name).to_string();
    let text = match format {
        Format::Json => format!("{:#}", serde_json::json!({ "format": 1, "diff": diff })),
        _ if diff.is_empty() => same(before, after),
        _ => coloured(&diff).trim_end().to_owned(),
    };
    (text, a != b)
}

fn same(before: &Side, after: &Side) -> String {
    format!("{} and {} are the same schema", before.name, after.name)
}
