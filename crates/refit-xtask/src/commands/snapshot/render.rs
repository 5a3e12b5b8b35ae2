//! The ways in which a schema, and what two have otherwise, are printed.

use anyhow::bail;
use refit_catalog::diagram::{Chart, MermaidOptions, changed_tables, mermaid};
use refit_catalog::page::{Page, html};
use refit_catalog::{Catalog, Delta};
use refit_rehearsal::Snapshots;
use similar::TextDiff;

use super::side::Side;
use crate::output::Format;
use crate::render::difference::styled;

/// The formats of a schema.
pub(super) const FORMATS: &[Format] =
    &[Format::Human, Format::Text, Format::Json, Format::Mermaid, Format::Html];

/// A schema, and how it came about where that is known.
pub(super) enum Schema<'a> {
    /// Of a database.
    Database(&'a Catalog),
    /// Of a set, with what each migration changed.
    Set(&'a Snapshots),
}

/// The schema in a format, without a line ending at its end. `title` is what an HTML page is headed with.
pub(super) fn schema(title: &str, schema: &Schema<'_>, format: Format) -> String {
    let catalog = match schema {
        Schema::Database(catalog) => catalog,
        Schema::Set(made) => &made.snapshot.catalog,
    };
    match (schema, format) {
        (Schema::Database(catalog), Format::Json) => catalog.to_json(),
        (Schema::Set(made), Format::Json) => made.snapshot.to_json(),
        (_, Format::Mermaid) => charts(&mermaid(catalog, &MermaidOptions::default())),
        (Schema::Database(catalog), Format::Html) => page(title, catalog, &[]),
        (Schema::Set(made), Format::Html) => {
            let deltas: Vec<_> = made.steps.iter().map(|step| (step.stem.as_str(), &step.delta)).collect();
            page(title, catalog, &deltas)
        }
        _ => {
            let text = catalog.text();
            if text.is_empty() { "the schema is empty".to_owned() } else { text.trim_end().to_owned() }
        }
    }
}

fn page(title: &str, catalog: &Catalog, deltas: &[(&str, &Delta)]) -> String {
    let (digest, date) = (catalog.digest(), jiff::Zoned::now().date().to_string());
    html(&Page { digest: &digest, date: &date, deltas, ..Page::new(title, catalog) })
}

/// One as it is; several, which Mermaid does not read from one file, as blocks of Markdown.
fn charts(charts: &[Chart]) -> String {
    match charts {
        [] => "%% there are no tables\nerDiagram".to_owned(),
        [chart] => chart.text.trim_end().to_owned(),
        _ => {
            let block = |chart: &Chart| {
                format!("## {}\n\n```mermaid\n{}\n```", flat(&chart.title), chart.text.trim_end())
            };
            charts.iter().map(block).collect::<Vec<_>>().join("\n\n")
        }
    }
}

/// A title is a name, and names may be anything.
fn flat(title: &str) -> String {
    title.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What the second has otherwise, and whether it has anything. Where one is known as text only, texts are compared.
pub(super) fn difference(before: &Side, after: &Side, format: Format) -> anyhow::Result<(String, bool)> {
    if let (Some(a), Some(b)) = (&before.catalog, &after.catalog) {
        let delta = Delta::between(a, b);
        let text = match format {
            Format::Json => delta.to_json(),
            Format::Mermaid => {
                let around = Some(changed_tables(&delta, b));
                charts(&mermaid(b, &MermaidOptions { around, ..MermaidOptions::default() }))
            }
            Format::Html => {
                let title = format!("{} → {}", before.name, after.name);
                page(&title, b, &[(title.as_str(), &delta)])
            }
            _ if delta.is_empty() => same(before, after),
            _ => styled(&delta.text()).trim_end().to_owned(),
        };
        return Ok((text, !delta.is_empty()));
    }
    if matches!(format, Format::Mermaid | Format::Html) {
        bail!("a .snap file is text only; give the schema.json beside it");
    }
    let (a, b) = (format!("{}\n", before.text.trim_end()), format!("{}\n", after.text.trim_end()));
    let diff = TextDiff::from_lines(&a, &b);
    let diff = diff.unified_diff().context_radius(3).header(&before.name, &after.name).to_string();
    let text = match format {
        Format::Json => format!("{:#}", serde_json::json!({ "format": 1, "diff": diff })),
        _ if diff.is_empty() => same(before, after),
        _ => styled(&diff).trim_end().to_owned(),
    };
    Ok((text, a != b))
}

fn same(before: &Side, after: &Side) -> String {
    format!("{} and {} are the same schema", before.name, after.name)
}
