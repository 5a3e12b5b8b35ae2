//! The list of tables and views, and a section for each.

use std::collections::{BTreeMap, HashMap};

use super::markup::text;
use crate::diagram::{Count, Marks, Relation, schema_of};
use crate::quote::literal;
use crate::{Catalog, Column, Table};

/// Everything that has a section, with the identifier that links use.
pub(super) struct Index<'a> {
    /// Kind, name, table; sorted by name.
    pub(super) entries: Vec<Entry<'a>>,
    ids: HashMap<&'a str, String>,
}

/// An entry.
pub(super) struct Entry<'a> {
    pub(super) kind: &'static str,
    pub(super) name: &'a str,
    pub(super) table: &'a Table,
}

impl<'a> Index<'a> {
    pub(super) fn new(catalog: &'a Catalog) -> Index<'a> {
        let mut entries: Vec<Entry<'a>> = Vec::new();
        for (kind, map) in [
            ("table", &catalog.tables),
            ("foreign table", &catalog.foreign_tables),
            ("view", &catalog.views),
            ("materialized view", &catalog.materialized_views),
        ] {
            entries.extend(map.iter().map(|(name, table)| Entry { kind, name, table }));
        }
        entries.sort_by_key(|entry| (schema_of(entry.name), entry.name));
        // A simple name gives a stable link; any other gets a number.
        let id = |place: usize, name: &str| {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.');
            if name.chars().all(plain) { format!("t-{name}") } else { format!("n-{place}") }
        };
        let ids =
            entries.iter().enumerate().map(|(place, entry)| (entry.name, id(place, entry.name))).collect();
        Index { entries, ids }
    }

    /// The identifier of a table's section.
    pub(super) fn id(&self, name: &str) -> Option<&str> {
        self.ids.get(name).map(String::as_str)
    }

    /// Number of tables and views.
    pub(super) fn counts(&self) -> (usize, usize) {
        let views = self.entries.iter().filter(|entry| entry.kind.ends_with("view")).count();
        (self.entries.len() - views, views)
    }
}

/// The list that the search filters.
pub(super) fn list(out: &mut String, index: &Index<'_>) {
    out.push_str(
        "<nav class=\"list\" aria-label=\"Tables\">\n<label for=\"search\">Search <kbd>/</kbd></label>\n",
    );
    out.push_str("<input id=\"search\" type=\"search\" placeholder=\"name, column, comment\" autocomplete=\"off\" spellcheck=\"false\" aria-controls=\"list\">\n");
    out.push_str("<p id=\"found\" role=\"status\" aria-live=\"polite\"></p>\n<div id=\"list\">\n");
    let mut schema = None;
    for entry in &index.entries {
        let own = schema_of(entry.name);
        if schema != Some(own) {
            let end = if schema.is_some() { "</ul>\n" } else { "" };
            out.push_str(&format!("{end}<h2>{}</h2>\n<ul>\n", text(own)));
            schema = Some(own);
        }
        let id = index.id(entry.name).unwrap_or_default();
        let kind = if entry.kind == "table" { String::new() } else { format!(" <i>{}</i>", entry.kind) };
        out.push_str(&format!("<li><a href=\"#{id}\">{}{kind}</a></li>\n", text(bare(entry.name))));
    }
    out.push_str(if schema.is_some() { "</ul>\n</div>\n</nav>\n" } else { "</div>\n</nav>\n" });
}

/// The name without its schema.
pub(super) fn bare(name: &str) -> &str {
    name.get(schema_of(name).len() + 1..).unwrap_or(name)
}

/// All sections.
pub(super) fn sections(out: &mut String, index: &Index<'_>, relations: &[Relation<'_>]) {
    let mut near: BTreeMap<&str, Vec<&Relation<'_>>> = BTreeMap::new();
    for relation in relations {
        near.entry(relation.child).or_default().push(relation);
        if relation.parent != relation.child {
            near.entry(relation.parent).or_default().push(relation);
        }
    }
    out.push_str("<div id=\"tables\">\n<h2>Tables</h2>\n");
    if index.entries.is_empty() {
        out.push_str("<p class=\"facts\">There are no tables.</p>\n");
    }
    for entry in &index.entries {
        section(out, entry, index, near.get(entry.name).map_or(&[], Vec::as_slice));
    }
    out.push_str("</div>\n");
}

fn section(out: &mut String, entry: &Entry<'_>, index: &Index<'_>, near: &[&Relation<'_>]) {
    let table = entry.table;
    let id = index.id(entry.name).unwrap_or_default();
    // Sections outside the viewport are not laid out; their height is estimated from their content.
    let rows = table.columns.len() + table.constraints.len() + table.indexes.len() + near.len();
    let size = ["s1", "s2", "s3", "s4", "s5"][[6, 14, 30, 80].partition_point(|limit| rows > *limit)];
    out.push_str(&format!("<article class=\"object {size}\" id=\"{id}\" aria-labelledby=\"{id}-h\">\n"));
    out.push_str(&format!(
        "<h3 id=\"{id}-h\"><a href=\"#{id}\"><span class=\"schema\">{}.</span><span class=\"n\">{}</span></a>",
        text(schema_of(entry.name)),
        text(bare(entry.name))
    ));
    if entry.kind != "table" {
        out.push_str(&format!(" <span class=\"kind\">{}</span>", entry.kind));
    }
    out.push_str("</h3>\n");
    if !table.comment.is_empty() {
        out.push_str(&format!("<p class=\"comment c\">{}</p>\n", text(&table.comment)));
    }
    let facts = facts(table);
    if !facts.is_empty() {
        out.push_str(&format!("<p class=\"facts\">{}</p>\n", text(&facts.join(" · "))));
    }
    columns(out, entry, id);
    if !table.definition.is_empty() {
        out.push_str(&format!("<h4>Query</h4>\n<pre>{}</pre>\n", text(table.definition.trim_matches('\n'))));
    }
    links(out, entry.name, index, near);
    parts(out, table, index);
    out.push_str("</article>\n");
}

/// The facts at the head of a table's block in a snapshot.
fn facts(table: &Table) -> Vec<String> {
    let mut facts = Vec::new();
    let flags = [
        (table.unlogged, "unlogged"),
        (table.not_populated, "NOT POPULATED"),
        (table.detaching, "DETACHING"),
    ];
    facts.extend(flags.iter().filter(|(set, _)| *set).map(|(_, word)| (*word).to_owned()));
    if !table.partition_of.is_empty() {
        facts.push(format!("partition of {} {}", table.partition_of, table.bounds));
    }
    let (inherits, options, server_options) = (
        table.inherits.join(", "),
        crate::text::pairs(&table.options),
        crate::text::pairs(&table.server_options),
    );
    let labels = table.labels.join(", ");
    for (title, value) in [
        ("partitioned by", &table.partition_by),
        ("of type", &table.of_type),
        ("server", &table.server),
        ("inherits", &inherits),
        ("row security", &table.row_security),
        ("replica identity", &table.replica_identity),
        ("access method", &table.access_method),
        ("tablespace", &table.tablespace),
        ("options", &options),
        ("server options", &server_options),
        ("owner", &table.owner),
        ("security labels", &labels),
    ] {
        if !value.is_empty() {
            facts.push(format!("{title} {value}"));
        }
    }
    facts
}

fn columns(out: &mut String, entry: &Entry<'_>, id: &str) {
    if entry.table.columns.is_empty() {
        out.push_str("<p class=\"facts\">no columns</p>\n");
        return;
    }
    // Browsers make scrollable elements reachable by keyboard; a tab stop at each of a thousand others would be a
    // nuisance.
    out.push_str(&format!("<div class=\"wide\">\n<table class=\"columns\" aria-labelledby=\"{id}-h\">\n"));
    out.push_str("<thead><tr><th scope=\"col\">Column</th><th scope=\"col\">Type</th><th scope=\"col\">Key</th><th scope=\"col\">Properties</th>");
    // An empty column would only waste space.
    let commented = entry.table.columns.iter().any(|column| !column.comment.is_empty());
    out.push_str(if commented {
        "<th scope=\"col\">Comment</th></tr></thead>\n<tbody>\n"
    } else {
        "</tr></thead>\n<tbody>\n"
    });
    for column in &entry.table.columns {
        let marks = Marks::of(entry.table, &column.name).words();
        let marks = marks.iter().map(|mark| {
            let long = match *mark {
                "PK" => "primary key",
                "FK" => "foreign key",
                _ => "unique",
            };
            format!("<abbr class=\"{}\" title=\"{long}\">{mark}</abbr>", mark.to_lowercase())
        });
        let comment =
            if commented { format!("<td class=\"c\">{}</td>", text(&column.comment)) } else { String::new() };
        out.push_str(&format!(
            "<tr><th scope=\"row\" class=\"n\">{}</th><td class=\"type\">{}</td><td>{}</td><td class=\"words\">{}</td>{comment}</tr>\n",
            text(&column.name),
            text(&column.type_name),
            marks.collect::<Vec<_>>().join(" "),
            text(&properties(column)),
        ));
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
}

fn properties(column: &Column) -> String {
    let mut words = column.words();
    if let Some(identity) = column.identity.as_ref().filter(|identity| !identity.comment.is_empty()) {
        words.push_str(&format!(" sequence's comment {}", literal(&identity.comment)));
    }
    if !column.labels.is_empty() {
        words.push_str(&format!(" security labels {}", column.labels.join(", ")));
    }
    words
}

/// Foreign keys in both directions, as text; the script draws them.
fn links(out: &mut String, name: &str, index: &Index<'_>, near: &[&Relation<'_>]) {
    let (from, to): (Vec<_>, Vec<_>) = (
        near.iter().filter(|r| r.child == name).collect(),
        near.iter().filter(|r| r.parent == name).collect(),
    );
    for (title, class, found) in [("Refers to", "out", from), ("Referred to by", "in", to)] {
        if found.is_empty() {
            continue;
        }
        out.push_str(&format!("<h4>{title}</h4>\n<ul class=\"links {class}\">\n"));
        for relation in found {
            let (other, count) = if class == "out" {
                (relation.parent, relation.parents)
            } else {
                (relation.child, relation.children)
            };
            let name = text(other);
            let link = index
                .id(other)
                .map_or_else(|| format!("<span>{name}</span>"), |id| format!("<a href=\"#{id}\">{name}</a>"));
            out.push_str(&format!(
                "<li data-parents=\"{}\" data-children=\"{}\">{link} <span class=\"by\">by {}</span> <span class=\"count\">{}</span></li>\n",
                end(relation.parents),
                end(relation.children),
                text(&relation.columns.join(", ")),
                count.words()
            ));
        }
        out.push_str("</ul>\n");
    }
}

/// The marker for an end.
pub(super) fn end(count: Count) -> &'static str {
    match count {
        Count::ZeroOrOne => "zero-one",
        Count::One => "one",
        Count::Any => "many",
        Count::OneOrMore => "one-many",
    }
}

fn parts(out: &mut String, table: &Table, index: &Index<'_>) {
    let rows = table.constraints.iter().map(|(name, found)| {
        let words = text(&found.words());
        let linked = found.references.as_ref().and_then(|references| {
            let (id, name) = (index.id(&references.table)?, text(&references.table));
            let (before, after) = words.split_once(&format!("references {name} "))?;
            Some(format!("{before}references <a href=\"#{id}\">{name}</a> {after}"))
        });
        let comment = [found.comment.as_str(), found.index.comment.as_str()].join(" ").trim().to_owned();
        (name.as_str(), linked.unwrap_or(words), comment)
    });
    part(out, "Constraints", rows.collect());
    let own = |comment: &String| comment.clone();
    let rows = table.indexes.iter().map(|(name, it)| (name.as_str(), text(&it.words()), own(&it.comment)));
    part(out, "Indexes", rows.collect());
    let rows = table.triggers.iter().map(|(name, it)| (name.as_str(), text(&it.words()), own(&it.comment)));
    part(out, "Triggers", rows.collect());
    let rows = table.policies.iter().map(|(name, it)| (name.as_str(), text(&it.words()), own(&it.comment)));
    part(out, "Policies", rows.collect());
    let rows = table.rules.iter().map(|(name, it)| (name.as_str(), text(&it.words()), own(&it.comment)));
    part(out, "Rules", rows.collect());
    let mut grants: Vec<(&str, String, String)> =
        table.grants.iter().map(|(role, may)| (role.as_str(), text(may), String::new())).collect();
    for column in &table.columns {
        let on_column = column.grants.iter().map(|(role, may)| (role, format!("{may} of {}", column.name)));
        let sequence = column.identity.iter().flat_map(|identity| &identity.grants);
        let on_sequence =
            sequence.map(|(role, may)| (role, format!("{may} of the sequence of {}", column.name)));
        let both = on_column.chain(on_sequence);
        grants.extend(both.map(|(role, may)| (role.as_str(), text(&may), String::new())));
    }
    part(out, "Grants", grants);
}

/// Named rows below a title: a name, markup, a comment.
fn part(out: &mut String, title: &str, rows: Vec<(&str, String, String)>) {
    if rows.is_empty() {
        return;
    }
    out.push_str(&format!("<h4>{title}</h4>\n<dl class=\"parts\">\n"));
    for (name, words, comment) in rows {
        out.push_str(&format!("<div><dt>{}</dt><dd>{words}", text(name)));
        if !comment.is_empty() {
            out.push_str(&format!(" <span class=\"comment c\">{}</span>", text(&comment)));
        }
        out.push_str("</dd></div>\n");
    }
    out.push_str("</dl>\n");
}
