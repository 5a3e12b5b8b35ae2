//! Hazards with a mechanical safe form, fixed: the sequence of files that takes a migration's place.
//!
//! The set is gone through once, file by file ([`fixer`]), so that the time grows with the number of files. What a fix proposes
//! for a file is linted behind the files before it, as they are by then: the finding must be gone, and no other may have come.
//! A proposal that leads to another finding is fixed in turn. What many statements of a file need is proposed at once
//! ([`batch`]), so that a long file is linted a few times, not once for each. What cannot be fixed is left as it is, with the reason.
//!
//! A fix may also lead to a finding in a later file. Where that one cannot be fixed, the file whose fix it comes from is looked
//! for, by halves, and left as it was. Nothing in here reads or writes a file.

mod batch;
mod docs;
mod fixer;
mod layout;

use std::collections::{BTreeMap, BTreeSet};

use docs::{Doc, Docs};
use fixer::{Pass, Spared};

use crate::engine::Memory;
use crate::finding::Finding;
use crate::fixes;
use crate::lint::{Config, Input, Source, lint_range, once};
use crate::plan::Parts;
use crate::stack::with_room;
use crate::suppressions::unknown_rules;

/// What came of it.
#[derive(Debug, Clone)]
pub struct Fixed {
    /// The set as it is now, in order.
    pub inputs: Vec<Input>,
    /// What becomes of each file that is not as it was, in order.
    pub changes: Vec<Change>,
    /// Each file in which something was fixed, in order.
    pub fixes: Vec<Fix>,
    /// What is left of the findings, each with the reason.
    pub left: Vec<(Finding, String)>,
}

/// One file that was fixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// The file, as it was called before.
    pub path: String,
    /// The rules whose findings are gone, each as often as it found something.
    pub rules: Vec<&'static str>,
    /// The files that take its place, in the order in which they run.
    pub files: Vec<String>,
    /// What people should know about them.
    pub notes: Vec<String>,
}

/// A file that is new, or other than it was. Its text is that of the same path in [`Fixed::inputs`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where it was; none for a new file.
    pub from: Option<String>,
    /// Where it is to be.
    pub to: String,
    /// What it said, as bytes.
    pub before: Vec<u8>,
    /// What it is to say, as bytes.
    pub after: Vec<u8>,
}

/// Fixes what can be fixed in files that are linted as one set, in the order given. Those whose path is in `protected`
/// stay as they are, and so do those that are not reported.
pub fn fix(inputs: &[Input], config: &Config, protected: &BTreeSet<String>) -> Fixed {
    with_room(|| {
        let docs = Docs::new(inputs, config, protected);
        let all: Vec<Source<'_>> = inputs.iter().map(Input::source).collect();
        let mut found = lint_range(&all, 0..all.len(), &mut Memory::default(), config).findings;
        let others: Vec<Finding> = found.extract_if(.., |finding| finding.rule == "misnamed-file").collect();
        let found = counts(&docs, &found);
        let mut spared = Spared::new();
        loop {
            let pass = Pass::through(docs.clone(), &found, &spared, None);
            let Some((origin, rule)) = &pass.worse else { return result(inputs, pass, others, config) };
            let Some(culprit) = culprit(&docs, &found, &spared, &pass, origin) else {
                return result(inputs, pass, others, config);
            };
            spared.insert(culprit, format!("its mechanical form would lead to a case of {rule} in {origin}"));
        }
    })
}

/// Whether there is a mechanical form for findings of a rule, where their statement allows it.
pub fn is_fixable(rule: &str) -> bool {
    fixes::of(rule).is_some()
}

/// The last of the files whose fixes together lead to a finding in a later one: without it, and those behind it, there is none.
fn culprit(
    docs: &Docs<'_>,
    found: &Counts,
    spared: &Spared,
    pass: &Pass<'_>,
    origin: &str,
) -> Option<String> {
    let changed: Vec<&String> = pass.order.iter().filter(|of| *of != origin).collect();
    let is_worse = |first: usize| {
        let without = changed[first..].iter().map(|of| ((*of).clone(), String::new()));
        let spared = spared.clone().into_iter().chain(without).collect();
        Pass::through(docs.clone(), found, &spared, Some(origin)).worse.is_some()
    };
    // With the first `without` of them there is none, with `with` of them there is.
    let (mut without, mut with) = (0, changed.len());
    while with > without + 1 {
        let middle = without.midpoint(with);
        match is_worse(middle) {
            true => with = middle,
            false => without = middle,
        }
    }
    changed.get(without).map(|of| (*of).clone())
}

/// What is to be written, and what was done.
fn result(inputs: &[Input], pass: Pass<'_>, others: Vec<Finding>, config: &Config) -> Fixed {
    let Pass { docs, mut fixed, mut left, .. } = pass;
    let given: BTreeMap<&str, &Input> = inputs.iter().map(|input| (input.path.as_str(), input)).collect();
    let mut changes = Vec::new();
    let mut files: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for doc in &docs.all {
        files.entry(&doc.origin).or_default().push(doc.input.path.clone());
        let was = doc.was.as_deref().and_then(|path| given.get(path));
        let before = was.map(|input| input.bytes.clone()).unwrap_or_default();
        if doc.was.as_deref() != Some(&doc.input.path) || *before != *doc.input.bytes {
            let (to, after) = (doc.input.path.clone(), doc.input.bytes.to_vec());
            changes.push(Change { from: doc.was.clone(), to, before, after });
        }
    }
    let mut fixes: Vec<Fix> = Vec::new();
    for input in inputs {
        let Some(mut rules) = fixed.remove(&input.path) else { continue };
        rules.sort_unstable();
        let about = |origin: &str| {
            origin == input.path || origin.strip_suffix(".down.sql") == input.path.strip_suffix(".sql")
        };
        let notes = docs.notes.iter().filter(|(origin, _)| about(origin)).map(|(_, note)| note.clone());
        let files = files.remove(input.path.as_str()).unwrap_or_default();
        fixes.push(Fix { path: input.path.clone(), rules, files, notes: notes.collect() });
    }
    // What is wrong with names is seen over the whole set.
    left.retain(|(finding, _)| finding.rule != "misnamed-file");
    left.extend(others.into_iter().chain(unknown_rules(config)).map(|finding| {
        let reason = fixes::reason(finding.rule).to_owned();
        (finding, reason)
    }));
    let mut first = once();
    left.retain(|(finding, _)| first(finding));
    Fixed { inputs: docs.inputs(), changes, fixes, left }
}

/// Findings by rule, the file that they came out of, and the table.
type Counts = BTreeMap<(&'static str, String, Option<String>), usize>;

/// A file that may be fixed, in its parts.
///
/// # Errors
/// Why it may not.
fn parts_of(docs: &Docs<'_>, doc: &Doc) -> Result<Parts, String> {
    if doc.was.as_deref().is_some_and(|path| docs.protected.contains(path)) {
        return Err("the migration may have run already".to_owned());
    }
    match Parts::of(&doc.text, &doc.parsed.stmts).filter(|_| doc.parsed.errors.is_empty()) {
        Some(parts) if doc.parsed.psql.is_empty() && is_text(&doc.input.bytes) => Ok(parts),
        _ => Err("the file does not parse".to_owned()),
    }
}

/// Which statement a finding is in.
fn statement_of(doc: &Doc, finding: &Finding) -> usize {
    let stmts = &doc.parsed.stmts;
    let index = stmts.partition_point(|stmt| stmt.span.end <= finding.span.start);
    index.min(stmts.len().saturating_sub(1))
}

fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0'))
}

/// Where the file of a finding is.
fn place(docs: &Docs<'_>, finding: &Finding) -> usize {
    docs.all.iter().position(|doc| doc.input.path == finding.path).unwrap_or(usize::MAX)
}

fn origin_of(docs: &Docs<'_>, finding: &Finding) -> String {
    docs.all.get(place(docs, finding)).map_or_else(|| finding.path.clone(), |doc| doc.origin.clone())
}

/// What tells a finding from others that stays the same when the file around it changes.
fn key(docs: &Docs<'_>, finding: &Finding) -> (String, &'static str, String) {
    let text = docs.all.get(place(docs, finding)).map_or("", |doc| &doc.text);
    let span = finding.span;
    let written = text.get(span.start as usize..span.end as usize).unwrap_or_default();
    (origin_of(docs, finding), finding.rule, written.to_owned())
}

fn counts<'f>(docs: &Docs<'_>, findings: impl IntoIterator<Item = &'f Finding>) -> Counts {
    let mut counts = Counts::new();
    for finding in findings {
        *counts.entry((finding.rule, origin_of(docs, finding), finding.table.clone())).or_default() += 1;
    }
    counts
}

/// How many more there are of each.
fn difference(more: &Counts, less: &Counts) -> Counts {
    let left = more.iter().filter_map(|(key, count)| {
        let extra = count.saturating_sub(less.get(key).copied().unwrap_or(0));
        (extra > 0).then(|| (key.clone(), extra))
    });
    left.collect()
}
