//! Rendering of schemas and their differences in all formats.

use anyhow::bail;
use refit_catalog::diagram::{Chart, MermaidOptions, changed_tables, mermaid};
use refit_catalog::page::{Page, html};
use refit_catalog::{Catalog, Delta};
use refit_rehearsal::Snapshots;
use similar::TextDiff;

use super::difference::{delta as changes, unified};
use crate::output::Format;
use crate::schema::Side;
use crate::styled::Text;

/// The formats of a schema.
pub(crate) const FORMATS: &[Format] =
    &[Format::Human, Format::Text, Format::Json, Format::Mermaid, Format::Html];

/// A schema, with the changes of each migration if known.
pub(crate) enum Schema<'a> {
    /// The schema of a database.
    Database(&'a Catalog),
    /// The schema of a set, with the changes of each migration.
    Set(&'a Snapshots),
}

/// The schema in a format, without a final newline. `title` is the heading of an HTML page.
pub(crate) fn schema(title: &str, schema: &Schema<'_>, format: Format) -> String {
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

/// A single chart as is; several as Markdown, because a Mermaid file holds only one.
fn charts(charts: &[Chart]) -> String {
    match charts {
        [] => "%% there are no tables\nerDiagram".to_owned(),
        [chart] => chart.text.trim_end().to_owned(),
        _ => {
            let block = |chart: &Chart| {
                format!("## {}\n\n```mermaid\n{}\n```", one_line(&chart.title), chart.text.trim_end())
            };
            charts.iter().map(block).collect::<Vec<_>>().join("\n\n")
        }
    }
}

/// Replaces control characters, which names may contain.
fn one_line(title: &str) -> String {
    title.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The changes from the first schema to the second, and whether there are any. Compares text if one of them is only text.
pub(crate) fn difference(before: &Side, after: &Side, format: Format) -> anyhow::Result<(Text, bool)> {
    if let (Some(a), Some(b)) = (&before.catalog, &after.catalog) {
        let delta = Delta::between(a, b);
        let text = match format {
            Format::Json => delta.to_json().into(),
            Format::Mermaid => {
                let around = Some(changed_tables(&delta, b));
                charts(&mermaid(b, &MermaidOptions { around, ..MermaidOptions::default() })).into()
            }
            Format::Html => {
                let title = format!("{} → {}", before.name, after.name);
                page(&title, b, &[(title.as_str(), &delta)]).into()
            }
            _ if delta.is_empty() => same(before, after).into(),
            _ => changes(&delta),
        };
        return Ok((text, !delta.is_empty()));
    }
    if matches!(format, Format::Mermaid | Format::Html) {
        bail!("a .snap file is only text; give the schema.json in the same folder");
    }
    let (a, b) = (format!("{}\n", before.text.trim_end()), format!("{}\n", after.text.trim_end()));
    let diff = TextDiff::from_lines(&a, &b);
    let text = match format {
        Format::Json => {
            let diff = diff.unified_diff().context_radius(3).header(&before.name, &after.name).to_string();
            format!("{:#}", serde_json::json!({ "format": 1, "diff": diff })).into()
        }
        _ if a == b => same(before, after).into(),
        _ => unified(&diff, [&before.name, &after.name], 3, str::to_owned),
    };
    Ok((text, a != b))
}

fn same(before: &Side, after: &Side) -> String {
    format!("{} and {} have the same schema", before.name, after.name)
}
