//! A delta as readable text: `+ table app.t`, `~ column app.t.a: type integer → bigint`.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use similar::{ChangeTag, TextDiff};

use super::diff::field_of;
use super::{Change, Verb};
use crate::text::{flat, plain};
use crate::{Catalog, Column, Constraint, DomainConstraint, Index, Policy, Rule, Trigger};

/// One line per change, with its details indented below.
pub(super) fn changes(changes: &[Change]) -> String {
    let mut out = String::new();
    for change in changes {
        let subject = flat(&change.subject());
        match change.verb {
            Verb::Added => whole(&mut out, '+', &subject, change, change.to.as_ref()),
            Verb::Removed => whole(&mut out, '-', &subject, change, change.from.as_ref()),
            Verb::Moved => {
                let (from, to) = (place(&change.from), place(&change.to));
                out.push_str(&format!("~ {subject}: moved from position {from} to {to}\n"));
            }
            Verb::Changed => field(&mut out, &subject, change),
        }
    }
    out
}

/// An object that was added or removed.
fn whole(out: &mut String, sign: char, subject: &str, change: &Change, payload: Option<&Value>) {
    let payload = payload.cloned().unwrap_or_default();
    if change.of.is_some() {
        let words = words(&change.kind, payload.clone());
        let words = words.map_or_else(|| plain(&payload), |words| flat(&words));
        let comment =
            payload.get("comment").map(|comment| format!(" comment {}", plain(comment))).unwrap_or_default();
        out.push_str(format!("{sign} {subject}: {words}{comment}").trim_end_matches([':', ' ']));
        out.push('\n');
        return;
    }
    // The object's block in a snapshot is its description; the first line is the head.
    let block = block(change, payload);
    let mut lines = block.lines();
    out.push_str(&format!("{sign} {}\n", lines.next().unwrap_or(subject)));
    lines.for_each(|line| out.push_str(&format!("{sign} {line}\n")));
}

fn block(change: &Change, payload: Value) -> String {
    let Some(field) = field_of(&change.kind) else { return String::new() };
    let objects = Value::Object(Map::from_iter([(change.name.clone(), payload)]));
    let catalog = Value::Object(Map::from_iter([(field.to_owned(), objects)]));
    serde_json::from_value::<Catalog>(catalog).map(|catalog| catalog.text()).unwrap_or_default()
}

/// A part, in the words of its table's block.
fn words(kind: &str, payload: Value) -> Option<String> {
    fn read<T: DeserializeOwned>(payload: Value) -> Option<T> {
        serde_json::from_value(payload).ok()
    }
    match kind {
        "column" | "attribute" => {
            let column: Column = read(payload)?;
            Some(format!("{} {}", column.type_name, column.words()).trim_end().to_owned())
        }
        "constraint" if payload.get("definition").is_some() => {
            Some(read::<DomainConstraint>(payload)?.definition)
        }
        "constraint" => Some(read::<Constraint>(payload)?.words()),
        "index" => Some(read::<Index>(payload)?.words()),
        "trigger" => Some(read::<Trigger>(payload)?.words()),
        "policy" => Some(read::<Policy>(payload)?.words()),
        "rule" => Some(read::<Rule>(payload)?.words()),
        _ => None,
    }
}

/// A changed field. Multi-line texts are compared line by line.
fn field(out: &mut String, subject: &str, change: &Change) {
    let name = change.field.as_deref().unwrap_or_default();
    // For a generic property, its name is enough. The names after the dot come from the database.
    let name = name.strip_prefix("properties.").unwrap_or(name);
    let (field, part) = name.split_once('.').map_or((name, None), |(field, part)| (field, Some(part)));
    let name = match part {
        Some(role) if field == "grants" => format!("grants to {role}"),
        Some(part) => format!("{}.{part}", field.replace('_', " ")),
        None => field.replace('_', " "),
    };
    let by_default = part.filter(|_| field == "grants").and_then(|role| default_grants(&change.kind, role));
    let (from, to) = (change.from.as_ref(), change.to.as_ref());
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let (old, new) = (text(from), text(to));
    if old.contains('\n') || new.contains('\n') {
        out.push_str(&format!("~ {subject}: {}\n", flat(&name)));
        let diff = TextDiff::from_lines(&old, &new);
        for group in diff.grouped_ops(2) {
            for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
                let sign = match change.tag() {
                    ChangeTag::Delete => '-',
                    ChangeTag::Insert => '+',
                    ChangeTag::Equal => ' ',
                };
                out.push_str(format!("    {sign} {}", printable(change.value())).trim_end());
                out.push('\n');
            }
        }
        return;
    }
    let words = |value: Option<&Value>| match (value, from.or(to)) {
        (None, Some(Value::Bool(_))) => "no".to_owned(),
        (None, _) if by_default.is_some() => format!("{} (default)", by_default.unwrap_or_default()),
        (None, _) => "none".to_owned(),
        (Some(value), _) => plain(value),
    };
    out.push_str(&format!("~ {subject}: {} {} → {}\n", flat(&name), words(from), words(to)));
}

/// The privileges of a role on an object of a kind by default, that is, without an access list (manual, section
/// Privileges).
fn default_grants(kind: &str, role: &str) -> Option<&'static str> {
    match (role, kind) {
        ("(owner)", _) => Some("ALL"),
        ("PUBLIC", "function" | "procedure" | "aggregate") => Some("EXECUTE"),
        ("PUBLIC", "base type" | "composite type" | "domain" | "enum" | "range type" | "language") => {
            Some("USAGE")
        }
        ("PUBLIC", "database") => Some("CONNECT, TEMPORARY"),
        _ => None,
    }
}

/// A line without characters that a terminal would interpret; indentation is kept.
fn printable(line: &str) -> String {
    let line = line.trim_end();
    let indent = line.len() - line.trim_start().len();
    let escape =
        |c: char| if c.is_control() && c != '\t' { c.escape_default().to_string() } else { c.to_string() };
    format!("{}{}", &line[..indent], line[indent..].chars().map(escape).collect::<String>())
}

fn place(value: &Option<Value>) -> String {
    value.as_ref().map(Value::to_string).unwrap_or_default()
}
