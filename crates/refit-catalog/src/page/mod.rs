//! A schema as one HTML page that needs nothing else: no network, no server, no other file. Its policy forbids everything but
//! its own style and script; every text in it is escaped.
//!
//! All that there is to read stands in the page itself: without scripts, printed or searched by the browser it is complete. The
//! script filters the list of tables and draws the neighbourhood of the one that is chosen.

mod drawing;
mod layout;
mod markup;
mod others;
mod steps;
mod tables;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::diagram::{plural, relations};
use crate::{Catalog, Delta};
use markup::text;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What is on the page.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// What the set or database is called.
    pub title: &'a str,
    /// The schema.
    pub catalog: &'a Catalog,
    /// The set's digest, or whatever says which state this is. Empty for none.
    pub digest: &'a str,
    /// When it was made, as people are to read it. Empty for none.
    pub date: &'a str,
    /// What each migration changed, by the migration's stem and in the order in which they ran. Empty for none.
    pub deltas: &'a [(&'a str, &'a Delta)],
    /// Remarks on migrations, by stem: what one locks, for instance. Empty for none.
    pub notes: &'a [(&'a str, Vec<String>)],
}

impl<'a> Page<'a> {
    /// A page of a schema alone; the fields take the rest.
    pub fn new(title: &'a str, catalog: &'a Catalog) -> Page<'a> {
        Page { title, catalog, digest: "", date: "", deltas: &[], notes: &[] }
    }
}

/// Writes the page: a complete document in UTF-8.
pub fn html(page: &Page<'_>) -> String {
    let index = tables::Index::new(page.catalog);
    let relations = relations(page.catalog);
    let mut out = String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.push_str(&format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n", policy()));
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n");
    out.push_str(&format!("<title>{} – schema</title>\n<style>{STYLE}</style>\n</head>\n", text(page.title)));
    out.push_str("<body>\n<a class=\"skip\" href=\"#main\">Skip to the schema</a>\n");
    head(&mut out, page, &index, relations.len());
    out.push_str("<div class=\"page\">\n");
    tables::list(&mut out, &index);
    out.push_str("<main id=\"main\" tabindex=\"-1\">\n");
    drawing::section(&mut out, page.catalog, &index, &relations);
    tables::sections(&mut out, &index, &relations);
    others::section(&mut out, page.catalog);
    steps::section(&mut out, page, &index);
    out.push_str("</main>\n</div>\n");
    out.push_str(&format!("<script>{SCRIPT}</script>\n</body>\n</html>\n"));
    out
}

/// Nothing but this very style and script. Fetching, framing, forms and a base are forbidden with the rest.
fn policy() -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

fn head(out: &mut String, page: &Page<'_>, index: &tables::Index<'_>, relations: usize) {
    out.push_str(&format!("<header>\n<h1>{}</h1>\n<dl>\n", text(page.title)));
    let (tables, views) = index.counts();
    let mut size = format!("{tables} {}", plural(tables, "table", "tables"));
    if views > 0 {
        size.push_str(&format!(", {views} {}", plural(views, "view", "views")));
    }
    size.push_str(&format!(", {relations} {}", plural(relations, "foreign key", "foreign keys")));
    for (name, value, class) in
        [("Schema", size.as_str(), ""), ("Digest", page.digest, "mono"), ("Made", page.date, "")]
    {
        if !value.is_empty() {
            out.push_str(&format!("<div><dt>{name}</dt><dd class=\"{class}\">{}</dd></div>\n", text(value)));
        }
    }
    out.push_str("</dl>\n<nav class=\"jump\" aria-label=\"Parts of this page\"><a href=\"#diagram\">Diagram</a> <a href=\"#tables\">Tables</a>");
    if others::is_any(page.catalog) {
        out.push_str(" <a href=\"#others\">Other objects</a>");
    }
    if !page.deltas.is_empty() {
        out.push_str(" <a href=\"#changes\">Changes</a>");
    }
    out.push_str("</nav>\n</header>\n");
}
