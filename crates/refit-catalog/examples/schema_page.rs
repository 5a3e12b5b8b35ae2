//! Writes a catalog's HTML page or its Mermaid charts: `cargo run --example schema_page -- CATALOG.json [DELTAS.json] [mermaid]`,
//! where the catalog is what [`Catalog::to_json`] wrote and the deltas are a list of pairs of stem and delta.

use std::io::Write;

use refit_catalog::diagram::{MermaidOptions, mermaid};
use refit_catalog::page::{Page, html};
use refit_catalog::{Catalog, Delta, Snapshot};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = arguments.first().ok_or_else(|| anyhow::anyhow!("give a catalog's JSON file"))?;
    let json = std::fs::read_to_string(path)?;
    let catalog =
        Catalog::from_json(&json).or_else(|_| Snapshot::from_json(&json).map(|found| found.catalog))?;
    let deltas: Vec<(String, Delta)> =
        match arguments.iter().skip(1).find(|argument| argument.ends_with(".json")) {
            Some(path) => serde_json::from_str(&std::fs::read_to_string(path)?)?,
            None => Vec::new(),
        };
    let out = if arguments.last().is_some_and(|last| last == "mermaid") {
        let charts = mermaid(&catalog, &MermaidOptions::default());
        charts.into_iter().map(|chart| chart.text).collect::<Vec<_>>().join("\n")
    } else {
        let digest = catalog.digest();
        let deltas: Vec<(&str, &Delta)> = deltas.iter().map(|(stem, delta)| (stem.as_str(), delta)).collect();
        html(&Page {
            digest: &digest,
            date: "21 November 2026",
            deltas: &deltas,
            ..Page::new("content-service", &catalog)
        })
    };
    Ok(std::io::stdout().lock().write_all(out.as_bytes())?)
}
