//! Fixes hazards that have a mechanical safe form: a sequence of files replaces the migration.
//!
//! The set is processed once, file by file ([`fixer`]), so the time grows with the number of files. The proposal for a
//! file is linted in the context of the files before it, as already fixed: the finding must be gone, and no new one may
//! appear. If a proposal causes another finding, that one is fixed in turn. Fixes for many statements of a file are
//! proposed together ([`batch`]), so a long file is linted a few times, not once per statement. Findings that cannot be
//! fixed are kept, with the reason.
//!
//! A fix may also cause a finding in a later file. If that one cannot be fixed, the file whose fix causes it is found
//! by bisection and left unchanged. Nothing in this module reads or writes files.

mod batch;
mod docs;
mod fixer;

use std::collections::{BTreeMap, BTreeSet};

use docs::{Doc, Docs};
use fixer::{Pass, Spared};
use refit_model::placeholders;

use crate::engine::Memory;
use crate::finding::Finding;
use crate::fixes;
use crate::lint::{Config, Input, Source, lint_range, once};
use crate::sequence::Parts;
use crate::stack::with_room;
use crate::suppressions::unknown_rules;

/// The result of fixing.
#[derive(Debug, Clone)]
pub struct Fixed {
    /// The set as it is now, in order.
    pub inputs: Vec<Input>,
    /// The changed files, in order.
    pub changes: Vec<Change>,
    /// The files in which something was fixed, in order.
    pub fixes: Vec<Fix>,
    /// The remaining findings, each with the reason.
    pub left: Vec<(Finding, String)>,
}

/// One file that was fixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// The file's original path.
    pub path: String,
    /// The rules whose findings are gone, once per finding.
    pub rules: Vec<&'static str>,
    /// The files that replace it, in the order in which they run.
    pub files: Vec<String>,
    /// Notes for the user about them.
    pub notes: Vec<String>,
}

/// A new or changed file. Its text is that of the same path in [`Fixed::inputs`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The old path; `None` for a new file.
    pub from: Option<String>,
    /// The new path.
    pub to: String,
    /// The old content.
    pub before: Vec<u8>,
    /// The new content.
    pub after: Vec<u8>,
}

/// Fixes what can be fixed in files that are linted as one set, in the given order. Files in `protected` and files that
/// are not reported stay unchanged.
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
            spared
                .insert(culprit, format!("its mechanical form would cause a finding of {rule} in {origin}"));
        }
    })
}

/// Whether findings of a rule have a mechanical form, if their statement allows it.
pub fn is_fixable(rule: &str) -> bool {
    fixes::of(rule).is_some()
}

/// The last of the files whose fixes together cause a finding in a later one: without it and those after it, there is
/// none.
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
    // The first `without` files cause no finding, the first `with` files do.
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

/// The files to write, and the fixes made.
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
    // Problems with file names concern the whole set.
    left.retain(|(finding, _)| finding.rule != "misnamed-file");
    left.extend(others.into_iter().chain(unknown_rules(config)).map(|finding| {
        let reason = fixes::reason(finding.rule).to_owned();
        (finding, reason)
    }));
    let mut first = once();
    left.retain(|(finding, _)| first(finding));
    Fixed { inputs: docs.inputs(), changes, fixes, left }
}

/// Findings by rule, original file and table.
type Counts = BTreeMap<(&'static str, String, Option<String>), usize>;

/// A file that may be fixed, split into its parts.
///
/// # Errors
///
/// Why it may not be fixed.
fn parts_of(docs: &Docs<'_>, doc: &Doc) -> Result<Parts, String> {
    if doc.was.as_deref().is_some_and(|path| docs.protected.contains(path)) {
        return Err("the migration may have run already".to_owned());
    }
    let found = docs.config.variables.as_ref().map(|_| placeholders(&doc.input.path, &doc.text));
    if found.is_some_and(|found| !found.is_ok_and(|found| found.is_empty())) {
        return Err("the file has placeholders, and would have to be split with their values".to_owned());
    }
    match Parts::of(&doc.text, &doc.parsed.stmts).filter(|_| doc.parsed.errors.is_empty()) {
        Some(parts) if doc.parsed.psql.is_empty() && is_text(&doc.input.bytes) => Ok(parts),
        _ => Err("the file does not parse".to_owned()),
    }
}

/// The statement that contains a finding.
fn statement_of(doc: &Doc, finding: &Finding) -> usize {
    let stmts = &doc.parsed.stmts;
    let index = stmts.partition_point(|stmt| stmt.span.end <= finding.span.start);
    index.min(stmts.len().saturating_sub(1))
}

fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0'))
}

/// The index of the file of a finding.
fn place(docs: &Docs<'_>, finding: &Finding) -> usize {
    docs.all.iter().position(|doc| doc.input.path == finding.path).unwrap_or(usize::MAX)
}

fn origin_of(docs: &Docs<'_>, finding: &Finding) -> String {
    docs.all.get(place(docs, finding)).map_or_else(|| finding.path.clone(), |doc| doc.origin.clone())
}

/// Identifies a finding while the file around it changes.
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

/// How many more findings there are of each kind.
fn difference(more: &Counts, less: &Counts) -> Counts {
    let left = more.iter().filter_map(|(key, count)| {
        let extra = count.saturating_sub(less.get(key).copied().unwrap_or(0));
        (extra > 0).then(|| (key.clone(), extra))
    });
    left.collect()
}
