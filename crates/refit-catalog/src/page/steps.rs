//! The changes of each migration, as a timeline.

use std::collections::BTreeMap;

use super::Page;
use super::markup::text;
use super::tables::Index;
use crate::diagram::plural;
use crate::{Change, Delta, Verb};

const VERBS: [(Verb, &str, &str); 4] = [
    (Verb::Added, "added", "+"),
    (Verb::Removed, "removed", "−"),
    (Verb::Changed, "changed", "~"),
    (Verb::Moved, "moved", "↕"),
];

/// The section; empty without deltas.
pub(super) fn section(out: &mut String, page: &Page<'_>, index: &Index<'_>) {
    if page.deltas.is_empty() {
        return;
    }
    let notes: BTreeMap<&str, &Vec<String>> = page.notes.iter().map(|(stem, notes)| (*stem, notes)).collect();
    out.push_str("<section id=\"changes\" aria-labelledby=\"changes-h\">\n<h2 id=\"changes-h\">Changes</h2>\n<ol class=\"steps\">\n");
    for (stem, delta) in page.deltas {
        out.push_str(&format!("<li class=\"step\">\n<h3>{}</h3>\n", text(stem)));
        counts(out, delta);
        if let Some(notes) = notes.get(stem) {
            out.push_str("<ul class=\"notes\">");
            notes.iter().for_each(|note| out.push_str(&format!("<li>{}</li>", text(note))));
            out.push_str("</ul>\n");
        }
        if !delta.changes.is_empty() {
            out.push_str("<ul class=\"changes\">\n");
            delta.changes.iter().for_each(|found| change(out, found, index));
            out.push_str("</ul>\n");
        }
        out.push_str("</li>\n");
    }
    out.push_str("</ol>\n</section>\n");
}

fn counts(out: &mut String, delta: &Delta) {
    if delta.is_empty() {
        out.push_str("<p class=\"counts\">no change of the schema</p>\n");
        return;
    }
    let counts = VERBS.iter().filter_map(|(verb, word, _)| {
        let count = delta.changes.iter().filter(|change| change.verb == *verb).count();
        (count > 0).then(|| format!("<span class=\"{word}\">{count} {word}</span>"))
    });
    out.push_str(&format!("<p class=\"counts\">{}</p>\n", counts.collect::<Vec<_>>().join(" ")));
}

/// One change: its first line, with the details folded.
fn change(out: &mut String, change: &Change, index: &Index<'_>) {
    let (_, word, sign) = VERBS.iter().find(|(verb, ..)| *verb == change.verb).unwrap_or(&VERBS[2]);
    let alone =
        Delta { format: 0, before: String::new(), after: String::new(), changes: vec![change.clone()] };
    let rendered = alone.text();
    let mut lines = rendered.lines();
    let first = lines.next().unwrap_or_default().trim_start_matches(['+', '-', '~', ' ']);
    let sign = format!("<b aria-hidden=\"true\">{sign}</b><span class=\"aside\">{word}</span> ");
    let table = change.of.as_deref().unwrap_or(&change.name);
    let link = index.id(table).map(|id| {
        let name = text(table);
        text(first).replacen(&name, &format!("<a href=\"#{id}\">{name}</a>"), 1)
    });
    let first = link.unwrap_or_else(|| text(first));
    // Each line of the block repeats the change's sign, which is already shown.
    let more: Vec<&str> = lines.map(|line| line.strip_prefix(['+', '-']).unwrap_or(line)).collect();
    if more.is_empty() {
        out.push_str(&format!("<li class=\"{word}\">{sign}<code>{first}</code></li>\n"));
        return;
    }
    let count = more.len();
    out.push_str(&format!(
        "<li class=\"{word}\">{sign}<code>{first}</code><details><summary>{count} {}</summary><pre>{}</pre></details></li>\n",
        plural(count, "line", "lines"),
        text(&more.join("\n"))
    ));
}
