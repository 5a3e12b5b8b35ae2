//! A schema as one self-contained HTML page: it needs no network, server or other file. Its content security policy
//! allows only its own style and script, and every text in it is escaped.
//!
//! All content is in the page itself: it is complete without scripts, in print, and for the browser's search. The
//! script filters the list of tables and draws the neighborhood of the selected one.

mod document;
mod drawing;
mod layout;
mod markup;
mod others;
mod steps;
mod tables;

use crate::diagram::{plural, relations};
use crate::{Catalog, Delta};
pub use document::Document;
pub use markup::text as escape;

use markup::text;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The content of the page.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The name of the set or database.
    pub title: &'a str,
    /// The schema.
    pub catalog: &'a Catalog,
    /// The set's digest, or another identifier of this state. Empty for none.
    pub digest: &'a str,
    /// The creation time, as displayed. Empty for none.
    pub date: &'a str,
    /// The changes of each migration, by stem, in the order in which they ran. Empty for none.
    pub deltas: &'a [(&'a str, &'a Delta)],
    /// Remarks on migrations, by stem, such as the locks they take. Empty for none.
    pub notes: &'a [(&'a str, Vec<String>)],
}

impl<'a> Page<'a> {
    /// A page of a schema alone; set the fields for the rest.
    pub fn new(title: &'a str, catalog: &'a Catalog) -> Page<'a> {
        Page { title, catalog, digest: "", date: "", deltas: &[], notes: &[] }
    }
}

/// Writes the page: a complete document in UTF-8.
pub fn html(page: &Page<'_>) -> String {
    let index = tables::Index::new(page.catalog);
    let relations = relations(page.catalog);
    let mut out = String::from("<a class=\"skip\" href=\"#main\">Skip to the schema</a>\n");
    head(&mut out, page, &index, relations.len());
    out.push_str("<div class=\"page\">\n");
    tables::list(&mut out, &index);
    out.push_str("<main id=\"main\" tabindex=\"-1\">\n");
    drawing::section(&mut out, page.catalog, &index, &relations);
    tables::sections(&mut out, &index, &relations);
    others::section(&mut out, page.catalog);
    steps::section(&mut out, page, &index);
    out.push_str("</main>\n</div>\n");
    let title = format!("{} – schema", page.title);
    Document { title: &title, style: STYLE, body: &out, script: SCRIPT }.html()
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
