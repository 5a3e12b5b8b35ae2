//! Objects other than tables and views: types, sequences, functions and the rest, in the words of a snapshot.

use super::markup::text;
use crate::Catalog;

/// Whether there are any.
pub(super) fn is_any(catalog: &Catalog) -> bool {
    !rest(catalog).text().is_empty()
}

/// The section; empty if there are none.
pub(super) fn section(out: &mut String, catalog: &Catalog) {
    let words = rest(catalog).text();
    if words.is_empty() {
        return;
    }
    out.push_str(
        "<section id=\"others\" aria-labelledby=\"others-h\">\n<h2 id=\"others-h\">Other objects</h2>\n",
    );
    out.push_str(&format!(
        "<pre tabindex=\"0\" role=\"region\" aria-labelledby=\"others-h\">{}</pre>\n</section>\n",
        text(&words)
    ));
}

fn rest(catalog: &Catalog) -> Catalog {
    Catalog {
        tables: Default::default(),
        foreign_tables: Default::default(),
        views: Default::default(),
        materialized_views: Default::default(),
        ..catalog.clone()
    }
}
