//! The text block of a table or view: columns inline, then constraints, indexes, triggers, policies, rules, comments,
//! grants.

use super::{Column, Table};
use crate::quote::{ident, literal};
use crate::text::{Sheet, needs, pairs, parenthesised};

/// Writes the block. `noun` is the kind of the relation.
pub(crate) fn text(sheet: &mut Sheet, noun: &str, name: &str, table: &Table) {
    let unlogged = if table.unlogged { "unlogged " } else { "" };
    let mut head = format!("{unlogged}{noun} {name}");
    if !table.partition_of.is_empty() {
        head.push_str(&format!(" partition of {} {}", table.partition_of, table.bounds));
    }
    for (title, value) in
        [("partition by", &table.partition_by), ("of", &table.of_type), ("server", &table.server)]
    {
        if !value.is_empty() {
            head.push_str(&format!(" {title} {value}"));
        }
    }
    if !table.inherits.is_empty() {
        head.push_str(&format!(" inherits ({})", table.inherits.join(", ")));
    }
    sheet.block(&head);
    properties(sheet, table);
    sheet.table(
        "columns",
        table
            .columns
            .iter()
            .map(|column| vec![column.name.clone(), column.type_name.clone(), column.words()])
            .collect(),
    );
    if !table.definition.is_empty() {
        sheet.line("query");
    }
    sheet.body(&table.definition);
    sheet.named("constraints", &table.constraints, |found| found.words());
    sheet.named("indexes", &table.indexes, |found| found.words());
    sheet.named("triggers", &table.triggers, |found| found.words());
    sheet.named("policies", &table.policies, |found| found.words());
    sheet.named("rules", &table.rules, |found| found.words());
    comments(sheet, table);
    grants(sheet, table);
    sheet.labels(&table.labels);
    let columns = table.columns.iter().filter(|column| !column.labels.is_empty());
    for column in columns {
        sheet.field(&format!("security labels of {}", column.name), &column.labels.join(", "));
    }
}

fn properties(sheet: &mut Sheet, table: &Table) {
    let tablespace = if table.tablespace.is_empty() { String::new() } else { ident(&table.tablespace) };
    for (title, value) in [
        ("row security", table.row_security.clone()),
        ("replica identity", table.replica_identity.clone()),
        ("access method", table.access_method.clone()),
        ("tablespace", tablespace),
        ("options", pairs(&table.options)),
        ("server options", pairs(&table.server_options)),
        ("owner", table.owner.clone()),
    ] {
        if !value.is_empty() {
            sheet.field(title, &value);
        }
    }
    if let Some(words) = needs(&table.extensions) {
        sheet.line(&words);
    }
    if table.not_populated {
        sheet.line("NOT POPULATED");
    }
    if table.detaching {
        sheet.line("DETACHING");
    }
}

fn comments(sheet: &mut Sheet, table: &Table) {
    let own = [("", String::new(), &table.comment)].into_iter();
    let columns = table.columns.iter().flat_map(|column| {
        let sequence =
            column.identity.as_ref().map(|identity| ("sequence of", column.name.clone(), &identity.comment));
        [("", column.name.clone(), &column.comment)].into_iter().chain(sequence)
    });
    let constraints = table.constraints.iter().flat_map(|(name, found)| {
        [("constraint", name.clone(), &found.comment), ("index", name.clone(), &found.index.comment)]
    });
    let indexes = table.indexes.iter().map(|(name, found)| ("index", name.clone(), &found.comment));
    let triggers = table.triggers.iter().map(|(name, found)| ("trigger", name.clone(), &found.comment));
    let policies = table.policies.iter().map(|(name, found)| ("policy", name.clone(), &found.comment));
    let rules = table.rules.iter().map(|(name, found)| ("rule", name.clone(), &found.comment));
    let all =
        own.chain(columns).chain(constraints).chain(indexes).chain(triggers).chain(policies).chain(rules);
    let rows = all.filter(|(.., comment)| !comment.is_empty()).map(|(noun, name, comment)| {
        let on = match (noun, name.is_empty()) {
            (_, true) => "(itself)".to_owned(),
            ("", false) => name,
            (noun, false) => format!("{noun} {name}"),
        };
        vec![on, literal(comment)]
    });
    sheet.table("comments", rows.collect());
}

fn grants(sheet: &mut Sheet, table: &Table) {
    let mut rows: Vec<Vec<String>> =
        table.grants.iter().map(|(role, may)| vec![role.clone(), may.clone()]).collect();
    for column in &table.columns {
        rows.extend(
            column.grants.iter().map(|(role, may)| vec![role.clone(), format!("{may} of {}", column.name)]),
        );
        let sequence = column.identity.iter().flat_map(|identity| &identity.grants);
        rows.extend(
            sequence
                .map(|(role, may)| vec![role.clone(), format!("{may} of the sequence of {}", column.name)]),
        );
    }
    sheet.table("grants", rows);
}

impl Column {
    /// As readable text, without name and type.
    pub(crate) fn words(&self) -> String {
        let mut words = Vec::new();
        if !self.collation.is_empty() {
            words.push(format!("collate {}", self.collation));
        }
        if self.not_null {
            words.push("not null".into());
        }
        if !self.default.is_empty() {
            words.push(format!("default {}", self.default));
        }
        if !self.generated.is_empty() || self.is_virtual {
            let kept = if self.is_virtual { "virtual" } else { "stored" };
            words.push(format!("generated always as {} {kept}", parenthesised(&self.generated)));
        }
        if let Some(identity) = &self.identity {
            words.push(identity.words());
        }
        for (title, value) in [("storage", &self.storage), ("compression", &self.compression)] {
            if !value.is_empty() {
                words.push(format!("{title} {value}"));
            }
        }
        if let Some(target) = self.statistics {
            words.push(format!("statistics {target}"));
        }
        for (title, options) in [("options", &self.options), ("server options", &self.server_options)] {
            if !options.is_empty() {
                words.push(format!("{title} ({})", pairs(options)));
            }
        }
        if self.inherited {
            words.push("inherited".into());
        }
        words.join(" ")
    }
}

impl super::Identity {
    fn words(&self) -> String {
        let mut words = self.numbers.words();
        if !self.sequence.is_empty() {
            words = format!("{words} sequence {}", self.sequence);
        }
        if self.other_persistence {
            words.push_str(" of other persistence");
        }
        let words = if words.is_empty() { words } else { format!(" ({})", words.trim()) };
        format!("generated {} as identity{words}", if self.always { "always" } else { "by default" })
    }
}
