//! The text form: one block per object, with indented parts in aligned columns. No name or comment in a catalog can
//! break out of its line.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::quote::{literal, visible};
use crate::record::Object;
use crate::{Catalog, Options, kinds};

/// The text being written.
#[derive(Debug, Default)]
pub(crate) struct Sheet {
    out: String,
}

impl Sheet {
    /// Begins an object's block.
    pub(crate) fn block(&mut self, head: &str) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.put("", head);
    }

    /// A line of the block.
    pub(crate) fn line(&mut self, text: &str) {
        self.put("  ", text);
    }

    /// A line with a title.
    pub(crate) fn field(&mut self, title: &str, value: &str) {
        self.put("  ", &format!("{title}: {value}"));
    }

    /// A titled part, in aligned columns; nothing if there are no rows.
    pub(crate) fn table(&mut self, title: &str, rows: Vec<Vec<String>>) {
        if rows.is_empty() {
            return;
        }
        self.line(title);
        let rows: Vec<Vec<String>> =
            rows.into_iter().map(|row| row.iter().map(|cell| flat(cell)).collect()).collect();
        let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            // A single cell that is much longer than the others does not widen the column.
            cells.map(|cell| cell.chars().count()).filter(|width| *width <= 40).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.push_str(&" ".repeat(width.saturating_sub(cell.chars().count()) + 2));
            }
            self.put("    ", line.trim_end());
        }
    }

    /// A titled part of named things.
    pub(crate) fn named<T>(&mut self, title: &str, map: &BTreeMap<String, T>, words: impl Fn(&T) -> String) {
        self.table(title, map.iter().map(|(name, value)| vec![name.clone(), words(value)]).collect());
    }

    /// Multi-line text, without the characters that a terminal would interpret.
    pub(crate) fn body(&mut self, text: &str) {
        let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
        let lines = || text.trim_matches('\n').split('\n');
        let margin = lines().filter(|line| !line.trim().is_empty()).map(indent).min().unwrap_or_default();
        for line in lines() {
            if !text.is_empty() {
                let line = visible(line.get(margin..).unwrap_or_default());
                self.out.push_str(format!("    {line}").trim_end());
                self.out.push('\n');
            }
        }
    }

    /// Every field of a record that has no text form of its own.
    pub(crate) fn fields(&mut self, record: &impl serde::Serialize) {
        let Ok(Value::Object(fields)) = serde_json::to_value(record) else { return };
        for (name, value) in fields {
            if !["comment", "owner", "grants", "labels"].contains(&name.as_str()) {
                self.value(&name.replace('_', " "), &value);
            }
        }
    }

    fn value(&mut self, title: &str, value: &Value) {
        match value {
            Value::Object(map) => {
                for (name, value) in map {
                    self.field(name, &plain(value));
                }
            }
            Value::Bool(true) => self.line(title),
            other => self.field(title, &plain(other)),
        }
    }

    /// The lines at the end of every object.
    pub(crate) fn tail(&mut self, object: &impl Object) {
        let tail = object.tail();
        if !tail.owner.is_empty() {
            self.field("owner", tail.owner);
        }
        if !tail.comment.is_empty() {
            self.field("comment", &literal(tail.comment));
        }
        self.table("grants", tail.grants.iter().map(|(role, may)| vec![role.clone(), may.clone()]).collect());
        self.labels(tail.labels);
    }

    /// Security labels.
    pub(crate) fn labels(&mut self, labels: &[String]) {
        if !labels.is_empty() {
            self.field("security labels", &labels.join(", "));
        }
    }

    /// A block of only head, fields and tail.
    fn plain<T: Object>(&mut self, noun: &str, map: &BTreeMap<String, T>) {
        for (name, object) in map {
            self.block(&format!("{noun} {name}"));
            self.fields(object);
            self.tail(object);
        }
    }

    fn put(&mut self, indent: &str, text: &str) {
        self.out.push_str(indent);
        self.out.push_str(&flat(text));
        self.out.push('\n');
    }
}

/// The whole catalog, in a reader-friendly order.
pub(crate) fn catalog(catalog: &Catalog) -> String {
    let mut sheet = Sheet::default();
    let sheet = &mut sheet;
    if catalog.database != kinds::Database::default() {
        sheet.block("database");
        sheet.fields(&catalog.database);
        sheet.tail(&catalog.database);
    }
    sheet.plain("extension", &catalog.extensions);
    sheet.plain("schema", &catalog.schemas);
    for (name, found) in &catalog.default_privileges {
        sheet.block(&format!("default privileges on {name}"));
        sheet.table(
            "grants",
            found.grants.iter().map(|(role, may)| vec![role.clone(), may.clone()]).collect(),
        );
    }
    types(sheet, catalog);
    for (name, found) in &catalog.sequences {
        kinds::sequence_text(sheet, name, found);
    }
    for (noun, map) in [
        ("table", &catalog.tables),
        ("foreign table", &catalog.foreign_tables),
        ("view", &catalog.views),
        ("materialized view", &catalog.materialized_views),
    ] {
        for (name, found) in map {
            kinds::relation_text(sheet, noun, name, found);
        }
    }
    for (noun, map) in [
        ("function", &catalog.functions),
        ("procedure", &catalog.procedures),
        ("aggregate", &catalog.aggregates),
    ] {
        for (name, found) in map {
            kinds::function_text(sheet, noun, name, found);
        }
    }
    rest(sheet, catalog);
    std::mem::take(&mut sheet.out)
}

fn types(sheet: &mut Sheet, catalog: &Catalog) {
    for (name, found) in &catalog.enums {
        kinds::enum_text(sheet, name, found);
    }
    for (name, found) in &catalog.domains {
        kinds::domain_text(sheet, name, found);
    }
    for (name, found) in &catalog.composites {
        sheet.block(&format!("composite type {name}"));
        let attributes = found.attributes.iter();
        let rows = attributes.map(|column| {
            let comment = if column.comment.is_empty() { String::new() } else { literal(&column.comment) };
            vec![column.name.clone(), column.type_name.clone(), column.words(), comment]
        });
        sheet.table("attributes", rows.collect());
        sheet.tail(found);
    }
    sheet.plain("range type", &catalog.ranges);
    sheet.plain("base type", &catalog.base_types);
    sheet.plain("collation", &catalog.collations);
}

fn rest(sheet: &mut Sheet, catalog: &Catalog) {
    sheet.plain("operator", &catalog.operators);
    sheet.plain("operator class", &catalog.operator_classes);
    sheet.plain("operator family", &catalog.operator_families);
    sheet.plain("cast", &catalog.casts);
    sheet.plain("conversion", &catalog.conversions);
    sheet.plain("language", &catalog.languages);
    sheet.plain("transform", &catalog.transforms);
    sheet.plain("access method", &catalog.access_methods);
    sheet.plain("text search parser", &catalog.text_search_parsers);
    sheet.plain("text search template", &catalog.text_search_templates);
    sheet.plain("text search dictionary", &catalog.text_search_dictionaries);
    sheet.plain("text search configuration", &catalog.text_search_configurations);
    sheet.plain("statistics", &catalog.statistics);
    sheet.plain("foreign data wrapper", &catalog.foreign_data_wrappers);
    sheet.plain("foreign server", &catalog.foreign_servers);
    sheet.plain("user mapping", &catalog.user_mappings);
    sheet.plain("publication", &catalog.publications);
    sheet.plain("subscription", &catalog.subscriptions);
    sheet.plain("event trigger", &catalog.event_triggers);
    for (name, found) in &catalog.elsewhere {
        sheet.block(&format!("privileges on {name}"));
        sheet.table(
            "grants",
            found.grants.iter().map(|(role, may)| vec![role.clone(), may.clone()]).collect(),
        );
    }
    for (title, names) in
        [("unknown to the model", &catalog.unknown), ("not visible to this role", &catalog.unseen)]
    {
        if !names.is_empty() {
            sheet.block(title);
            names.iter().for_each(|name| sheet.line(name));
        }
    }
}

/// An expression in exactly one pair of parentheses, which PostgreSQL's text often has already.
pub(crate) fn parenthesised(expression: &str) -> String {
    let (mut depth, mut quote) = (0_u32, None);
    for (index, c) in expression.char_indices() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (_, Some(_)) => {}
            ('\'' | '"', None) => quote = Some(c),
            ('(', None) => depth += 1,
            (')', None) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && quote.is_none() && index + c.len_utf8() < expression.len() {
            return format!("({expression})");
        }
    }
    if expression.starts_with('(') { expression.to_owned() } else { format!("({expression})") }
}

/// DEPENDS ON EXTENSION, if there is one.
pub(crate) fn needs(extensions: &[String]) -> Option<String> {
    (!extensions.is_empty()).then(|| format!("depends on extension {}", extensions.join(", ")))
}

/// `name = value` of each.
pub(crate) fn pairs(options: &Options) -> String {
    let pairs: Vec<String> = options.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    pairs.join(", ")
}

/// A value on one line.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::String(text) => flat(text),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(map) => {
            let pairs = map.iter().map(|(name, value)| format!("{} = {}", flat(name), plain(value)));
            format!("({})", pairs.collect::<Vec<_>>().join(", "))
        }
        Value::Number(number) => number.to_string(),
    }
}

/// SQL on one line: line breaks outside quotes are layout, inside they are shown as `\n`. Other control characters are
/// shown by number.
pub(crate) fn flat(text: &str) -> String {
    if !text.contains(|c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    }) {
        return text.to_owned();
    }
    let (mut out, mut quote) = (String::with_capacity(text.len()), None);
    for c in text.chars() {
        match (c, quote) {
            ('\n', None) => {
                out.truncate(out.trim_end().len());
                out.push(' ');
            }
            (' ', None) if out.ends_with(' ') => {}
            ('\n', Some(_)) => out.push_str("\\n"),
            ('\'' | '"', None) => (quote, _) = (Some(c), out.push(c)),
            (c, Some(open)) if c == open => (quote, _) = (None, out.push(c)),
            (c, _)
                if c.is_control()
                    || !matches!(c, ' '..='\u{200a}' | '\u{2010}'..='\u{2027}' | '\u{202f}'..='\u{2065}' | '\u{206a}'..) =>
            {
                out.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
            }
            (c, _) => out.push(c),
        }
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(text: &str) -> String {
        let mut sheet = Sheet::default();
        sheet.body(text);
        sheet.out
    }

    #[test]
    fn blank_lines_quotes_and_an_indented_end_are_kept() {
        assert_eq!(
            body("\nBEGIN\n\n  RAISE NOTICE '\n'\n  ;\n'\n''\nEND\n  "),
            "    BEGIN\n\n      RAISE NOTICE '\n    '\n      ;\n    '\n    ''\n    END\n\n"
        );
        assert_eq!(body("SELECT E'\\\\n\\t'\t;\u{1b}[2J\r"), "    SELECT E'\\\\n\\t'\t;\\u{1b}[2J\\r\n");
    }

    proptest! {
        /// Apart from its margin, a text is shown unchanged, without characters that a terminal would interpret.
        #[test]
        fn any_body_is_shown(text in "([ \t\n'\\\\$;a-c\u{0}-\u{20}ä\u{202e}]|BEGIN|END|''){0,60}") {
            let shown = body(&text);
            let clean = |c: char| c == '\n' || c == '\t' || !(c.is_control() || c == '\u{202e}');
            prop_assert!(shown.chars().all(clean), "{:?}", shown);
            let lines: Vec<&str> = shown.lines().collect();
            let written: Vec<&str> = text.trim_matches('\n').split('\n').collect();
            if !text.is_empty() {
                prop_assert_eq!(lines.len(), written.len());
                for (line, written) in lines.iter().zip(written) {
                    let written = visible(written.trim_start_matches(' '));
                    prop_assert_eq!(line.trim_start_matches(' '), written.trim_end());
                }
            }
        }
    }
}
