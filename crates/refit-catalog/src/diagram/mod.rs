//! A schema as entity-relationship diagrams in Mermaid: one per schema, or one around the tables that changed.
//!
//! Mermaid refuses texts of more than 50,000 characters or 500 edges. A chart stays below these limits: the rest goes
//! into further charts, and what fits in none is listed in [`Chart::left_out`] and in the text itself.

mod relations;
mod words;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{Catalog, Delta, Table};
pub(crate) use relations::{Count, Marks, Relation, relations};
use words::{comment, label, remark, word};

/// Which charts to draw, and their maximum size.
#[derive(Clone, Debug)]
pub struct MermaidOptions {
    /// Draws these tables and their neighbors by foreign key, instead of all tables by schema. Names are as in
    /// [`Catalog::tables`]; unknown ones are skipped. [`changed_tables`] returns those of a delta.
    pub around: Option<BTreeSet<String>>,
    /// Maximum characters of a chart, counted in UTF-16 as Mermaid does; at least 2,000.
    pub characters: usize,
    /// Maximum relations of a chart.
    pub relations: usize,
}

impl Default for MermaidOptions {
    /// Mermaid's own limits (`maxTextSize`, `maxEdges`).
    fn default() -> MermaidOptions {
        MermaidOptions { around: None, characters: 50_000, relations: 500 }
    }
}

/// One diagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chart {
    /// The schema, or the tables in its center; numbered if there are several.
    pub title: String,
    /// The Mermaid source.
    pub text: String,
    /// Number of tables shown with their columns.
    pub tables: usize,
    /// Number of foreign keys shown.
    pub relations: usize,
    /// Omitted parts, one per line.
    pub left_out: Vec<String>,
}

/// The tables that a delta changes and a catalog still has, for [`MermaidOptions::around`].
pub fn changed_tables(delta: &Delta, catalog: &Catalog) -> BTreeSet<String> {
    let named = delta.changes.iter().map(|change| change.of.as_ref().unwrap_or(&change.name));
    named.filter(|name| table(catalog, name).is_some()).cloned().collect()
}

/// Draws a catalog's tables; returns no charts if there are none. Partitions are omitted, because the partitioned table
/// shows the same.
pub fn mermaid(catalog: &Catalog, options: &MermaidOptions) -> Vec<Chart> {
    let relations = relations(catalog);
    let mut charts = Vec::new();
    for (title, members) in groups(catalog, &relations, options) {
        let mut parts = Parts { catalog, options, open: Draft::default(), done: Vec::new() };
        for name in in_reach(&members, &relations) {
            parts.add(name, relations.iter().filter(|relation| relation.child == name).collect());
        }
        parts.close();
        let partitions = partitions(catalog, &members, options);
        let count = parts.done.len();
        for (place, draft) in parts.done.into_iter().enumerate() {
            let title = if count > 1 { format!("{title} ({} of {count})", place + 1) } else { title.clone() };
            // Remarks about all charts appear only once.
            let partitions = partitions.clone().filter(|_| place == 0);
            charts.push(draft.chart(title, partitions));
        }
    }
    charts
}

/// Space in each chart for its head: the title and the omissions.
const HEAD: usize = 1_200;

/// Titles with their tables.
fn groups<'a>(
    catalog: &'a Catalog,
    relations: &[Relation<'a>],
    options: &MermaidOptions,
) -> Vec<(String, BTreeSet<&'a str>)> {
    let all = catalog.tables.iter().chain(&catalog.foreign_tables);
    let whole = all.filter(|(_, table)| table.partition_of.is_empty());
    let Some(around) = &options.around else {
        let mut schemas: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (name, _) in whole {
            schemas.entry(schema_of(name)).or_default().insert(name);
        }
        return schemas.into_iter().map(|(name, members)| (format!("schema {name}"), members)).collect();
    };
    let mut members: BTreeSet<&str> =
        whole.map(|(name, _)| name.as_str()).filter(|name| around.contains(*name)).collect();
    let count = members.len();
    for relation in relations {
        if around.contains(relation.child) || around.contains(relation.parent) {
            let ends = [relation.child, relation.parent].into_iter();
            members.extend(
                ends.filter(|end| table(catalog, end).is_some_and(|table| table.partition_of.is_empty())),
            );
        }
    }
    if members.is_empty() {
        return Vec::new();
    }
    let title = format!("{count} changed {}, neighbours by foreign key", plural(count, "table", "tables"));
    vec![(title, members)]
}

/// The schema in a qualified name, quoted as it is there.
pub(crate) fn schema_of(name: &str) -> &str {
    let mut quoted = false;
    let end = name.char_indices().find(|(_, c)| {
        quoted ^= *c == '"';
        *c == '.' && !quoted
    });
    end.map_or(name, |(place, _)| &name[..place])
}

fn table<'a>(catalog: &'a Catalog, name: &str) -> Option<&'a Table> {
    catalog.tables.get(name).or_else(|| catalog.foreign_tables.get(name))
}

/// Related tables are adjacent, so that splitting separates few of them.
fn in_reach<'a>(members: &BTreeSet<&'a str>, relations: &[Relation<'a>]) -> Vec<&'a str> {
    let mut neighbours: BTreeMap<&str, Vec<&'a str>> = BTreeMap::new();
    for relation in relations {
        neighbours.entry(relation.child).or_default().push(relation.parent);
        neighbours.entry(relation.parent).or_default().push(relation.child);
    }
    let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
    for first in members {
        let mut open = VecDeque::from([*first]);
        while let Some(name) = open.pop_front() {
            if members.contains(name) && seen.insert(name) {
                order.push(name);
                open.extend(neighbours.get(name).into_iter().flatten());
            }
        }
    }
    order
}

fn partitions(catalog: &Catalog, members: &BTreeSet<&str>, options: &MermaidOptions) -> Option<String> {
    let schemas: BTreeSet<&str> = members.iter().map(|name| schema_of(name)).collect();
    let all = catalog.tables.iter().chain(&catalog.foreign_tables);
    let count = all
        .filter(|(name, table)| !table.partition_of.is_empty() && schemas.contains(schema_of(name)))
        .filter(|_| options.around.is_none())
        .count();
    (count > 0).then(|| format!("{count} {}", plural(count, "partition", "partitions")))
}

pub(crate) fn plural<'a>(count: usize, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}

/// The charts of a group while they are filled.
struct Parts<'a> {
    catalog: &'a Catalog,
    options: &'a MermaidOptions,
    open: Draft,
    done: Vec<Draft>,
}

/// A chart while it is filled.
#[derive(Debug, Default)]
struct Draft {
    entities: String,
    edges: String,
    size: usize,
    tables: usize,
    relations: usize,
    left_out: Vec<String>,
}

impl Parts<'_> {
    /// Adds a table with its foreign keys, in a new chart if it does not fit with the others.
    fn add(&mut self, name: &str, own: Vec<&Relation<'_>>) {
        let Some(table) = table(self.catalog, name) else { return };
        let room = self.options.characters.max(2_000) - HEAD;
        let edges: Vec<String> = own.iter().map(|relation| edge(relation)).collect();
        let edge_size: usize = edges.iter().map(|edge| size(edge)).sum();
        let full = entity(name, table, table.columns.len(), true);
        let needs = size(&full) + edge_size;
        let fits = |draft: &Draft| {
            draft.size + needs <= room && draft.relations + edges.len() <= self.options.relations
        };
        if !fits(&self.open) && self.open.tables > 0 {
            self.close();
        }
        if fits(&self.open) {
            self.open.entities.push_str(&full);
            self.open.size += size(&full);
        } else {
            self.shrunk(name, table, room.saturating_sub(edge_size.min(room / 2)));
        }
        self.open.tables += 1;
        let mut left = 0;
        for edge in edges {
            let length = size(&edge);
            if self.open.size + length > room || self.open.relations == self.options.relations {
                left += 1;
                continue;
            }
            self.open.edges.push_str(&edge);
            self.open.size += length;
            self.open.relations += 1;
        }
        if left > 0 {
            let what = plural(left, "foreign key", "foreign keys");
            self.open.left_out.push(format!("{left} {what} of {name}"));
        }
    }

    /// A table that is too large for any chart: first without comments, then with as many columns as fit.
    fn shrunk(&mut self, name: &str, table: &Table, room: usize) {
        let all = table.columns.len();
        let mut count = all;
        let mut text = entity(name, table, count, true);
        if size(&text) > room {
            text = entity(name, table, count, false);
            self.open.left_out.push(format!("comments on columns of {name}"));
        }
        while size(&text) > room && count > 0 {
            count = count * 9 / 10;
            text = entity(name, table, count, false);
        }
        let left = all - count;
        if left > 0 {
            self.open.left_out.push(format!("{left} {} of {name}", plural(left, "column", "columns")));
        }
        if size(&text) <= room {
            self.open.size += size(&text);
            self.open.entities.push_str(&text);
        }
    }

    fn close(&mut self) {
        let draft = std::mem::take(&mut self.open);
        if draft.tables > 0 {
            self.done.push(draft);
        }
    }
}

impl Draft {
    fn chart(mut self, title: String, partitions: Option<String>) -> Chart {
        self.left_out.extend(partitions);
        let mut head = format!("%% {}\n", remark(&title));
        // The list of omissions must not make a chart too long.
        for (place, line) in self.left_out.iter().enumerate() {
            let line = format!("%% left out: {}\n", remark(line));
            if size(&head) + size(&line) > HEAD - 60 {
                head.push_str(&format!("%% left out: {} more\n", self.left_out.len() - place));
                break;
            }
            head.push_str(&line);
        }
        let text = format!("erDiagram\n{head}{}{}", self.entities, self.edges);
        Chart { title, text, tables: self.tables, relations: self.relations, left_out: self.left_out }
    }
}

/// Length in JavaScript characters, which Mermaid counts.
fn size(text: &str) -> usize {
    text.encode_utf16().count()
}

/// A table with its first columns.
fn entity(name: &str, table: &Table, count: usize, comments: bool) -> String {
    if count == 0 {
        return format!("    {}\n", label(name));
    }
    let mut out = format!("    {} {{\n", label(name));
    for column in &table.columns[..count] {
        let (type_name, shown) = (word(&short_type(&column.type_name)), word(&column.name));
        out.push_str(&format!("        {type_name} {shown}"));
        let marks = Marks::of(table, &column.name).words();
        if !marks.is_empty() {
            out.push_str(&format!(" {}", marks.join(", ")));
        }
        // A name that Mermaid cannot represent is shown in full, whatever else is omitted.
        let real = if shown == column.name { String::new() } else { column.name.clone() };
        let about = if comments { column.comment.as_str() } else { "" };
        let text = [real.as_str(), about].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
        out.push_str(&comment(&text.join(": ")));
        out.push('\n');
    }
    out.push_str("    }\n");
    out
}

/// Types by their shorter PostgreSQL names.
pub(crate) fn short_type(name: &str) -> String {
    let long = [
        ("character varying", "varchar"),
        ("timestamp with time zone", "timestamptz"),
        ("timestamp without time zone", "timestamp"),
        ("time with time zone", "timetz"),
        ("time without time zone", "time"),
    ];
    long.iter().fold(name.to_owned(), |name, (long, short)| name.replace(long, short))
}

fn edge(relation: &Relation<'_>) -> String {
    let parents = match relation.parents {
        Count::ZeroOrOne => "|o",
        Count::One => "||",
        Count::Any => "}o",
        Count::OneOrMore => "}|",
    };
    let line = if relation.identifying { "--" } else { ".." };
    let children = if relation.children == Count::ZeroOrOne { "o|" } else { "o{" };
    let (parent, child) = (label(relation.parent), label(relation.child));
    let columns = label(&relation.columns.join(", "));
    format!("    {parent} {parents}{line}{children} {child} : {columns}\n")
}
