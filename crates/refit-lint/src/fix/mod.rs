//! Hazards with a mechanical safe form, mended: the sequence of files that takes a migration's place.
//!
//! What a fix proposes is linted with the whole set before it is taken: the finding must be gone, and no other may have come.
//! A proposal that leads to another finding is mended in turn. What many statements of a file need is proposed at once
//! ([`batch`]), so that a long file is linted a few times, not once for each. Each fix that is taken leaves fewer findings, so this ends; what
//! cannot be mended is left as it is, with the reason. Nothing in here reads or writes a file.

mod batch;
mod docs;
mod file;
mod layout;
mod site;
mod text;

pub(crate) use file::{Parts, Piece, value_of, with_directive};
pub(crate) use layout::{Runs, Step, cut, layouts, sequence};
pub(crate) use site::{Alter, Site};
pub(crate) use text::{Words, inserted, without_last_comment};

use std::collections::{BTreeMap, BTreeSet};

use docs::{Doc, Docs, NewFile};
use site::Before;

use crate::contract::is_explained;
use crate::engine::Memory;
use crate::finding::{Finding, Severity};
use crate::fixes;
use crate::honesty::unknown_rules;
use crate::lint::{Config, Input, lint_range};
use crate::stack::with_room;

/// How often a proposal may lead to another finding before it is given up.
const ROUNDS: usize = 16;

/// What a fix makes of a file.
pub(crate) enum Plan {
    /// The statement becomes these steps.
    Steps(Vec<Step>),
    /// The file's text becomes another.
    Text(String),
    /// The file is cut into these: whether each is one transaction, and its statements.
    Cut(Vec<(bool, Vec<Piece>)>),
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Fixed {
    /// The set as it is now, in order.
    pub inputs: Vec<Input>,
    /// What becomes of each file that is not as it was, in order.
    pub changes: Vec<Change>,
    /// Each file in which something was mended, in order.
    pub fixes: Vec<Fix>,
    /// What is left of the findings, each with the reason.
    pub left: Vec<(Finding, String)>,
}

/// One file that was mended.
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

/// Mends what can be mended in files that are linted as one set, in the order given. Those whose path is in `protected`
/// stay as they are, and so do those that are not reported.
pub fn fix(inputs: &[Input], config: &Config, protected: &BTreeSet<String>) -> Fixed {
    with_room(|| Mender::new(inputs, config, protected).mend(inputs, protected))
}

/// Whether there is a mechanical form for findings of a rule, where their statement allows it.
pub fn is_mended(rule: &str) -> bool {
    fixes::of(rule).is_some()
}

/// What holds for the whole run. The files before the first that may change are looked at once.
struct Mender<'c> {
    config: &'c Config,
    /// The first file that may change.
    first: usize,
    /// What the files before it left, and what was found in them.
    memory: Memory,
    found: Vec<Finding>,
    before: Before,
}

/// Findings by rule, the file that they came out of, and the table.
type Counts = BTreeMap<(&'static str, String, Option<String>), usize>;

/// What cannot be mended, by [`key`], and why.
type Refused = BTreeMap<(String, &'static str, String), String>;

impl<'c> Mender<'c> {
    fn new(inputs: &[Input], config: &'c Config, protected: &BTreeSet<String>) -> Mender<'c> {
        let may_change = |input: &Input| input.reported && !protected.contains(&input.path);
        let first = inputs.iter().position(may_change).unwrap_or(inputs.len());
        let (mut memory, mut before) = (Memory::default(), Before::default());
        let mut found = lint_range(inputs, 0..first, &mut memory, config).findings;
        found.extend(unknown_rules(config));
        before.replay(&Docs::new(&inputs[..first], config, protected), 0..first, usize::MAX);
        Mender { config, first, memory, found, before }
    }

    fn mend(&self, inputs: &[Input], protected: &'c BTreeSet<String>) -> Fixed {
        let mut docs = Docs::new(inputs, self.config, protected);
        let mut refused = Refused::new();
        let mut mended: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
        let mut findings = self.findings(&docs);
        let mut batched = BTreeSet::new();
        while let Some((next, origin)) = self
            .many(&docs, &findings, &refused, &mut batched)
            .or_else(|| self.first_mended(&docs, &findings, &mut refused))
        {
            let later = self.findings(&next);
            let gone = difference(&counts(&docs, &findings), &counts(&next, &later));
            for ((rule, of, _), count) in gone {
                mended.entry(of).or_default().extend(std::iter::repeat_n(rule, count));
            }
            refused.retain(|(of, ..), _| *of != origin);
            (docs, findings) = (next, later);
        }
        let left = findings.into_iter().map(|finding| {
            let reason = refused.get(&key(&docs, &finding)).cloned();
            let reason = reason.unwrap_or_else(|| fixes::reason(finding.rule).to_owned());
            (finding, reason)
        });
        let left = left.collect();
        self.told(inputs, &docs, mended, left)
    }

    /// The set with the first finding mended that can be, and the file that it came out of.
    fn first_mended(
        &self,
        docs: &Docs<'c>,
        findings: &[Finding],
        refused: &mut Refused,
    ) -> Option<(Docs<'c>, String)> {
        let mut order: Vec<&Finding> = findings.iter().collect();
        // Within a file, those first that others follow from.
        order.sort_by_key(|finding| (place(docs, finding), fixes::rank(finding.rule), finding.span));
        for finding in order {
            let key = key(docs, finding);
            if refused.contains_key(&key) {
                continue;
            }
            match self.one(docs, findings, finding) {
                Ok(next) => return Some((next, origin_of(docs, finding))),
                Err(reason) => drop(refused.insert(key, reason)),
            }
        }
        None
    }

    /// The set with one finding mended.
    fn one(&self, docs: &Docs<'c>, findings: &[Finding], finding: &Finding) -> Result<Docs<'c>, String> {
        let allowed = counts(docs, findings);
        let target = (finding.rule, origin_of(docs, finding), finding.table.clone());
        let mut why = String::new();
        for next in self.proposals(docs, finding)? {
            match next.and_then(|next| self.settled(next, &allowed)) {
                Ok((next, after)) if after.get(&target) < allowed.get(&target) => return Ok(next),
                Ok(_) => why = "its mechanical form is found fault with as well".to_owned(),
                Err(reason) => why = reason,
            }
        }
        Err(why)
    }

    /// What the fix of a rule makes of the set.
    fn proposals(&self, docs: &Docs<'c>, finding: &Finding) -> Result<Vec<Result<Docs<'c>, String>>, String> {
        let Some(plan) = fixes::of(finding.rule) else {
            return Err(fixes::reason(finding.rule).to_owned());
        };
        let at = place(docs, finding);
        let Some(doc) = docs.all.get(at) else { return Err("it is not in a migration".to_owned()) };
        let parts = parts_of(docs, doc)?;
        let mut before = self.before.clone();
        before.replay(docs, self.first..at + 1, statement_of(doc, finding));
        let site = self.site(docs, doc, &parts, finding, &before);
        let one = |text: String| vec![vec![NewFile { name: String::new(), text, gated: false }]];
        let sequences = match plan(&site)? {
            Plan::Steps(steps) => layouts(&site, &steps)?,
            Plan::Text(text) => one(text),
            Plan::Cut(groups) => vec![cut(&site, groups)?],
        };
        Ok(sequences.into_iter().map(|files| docs.replaced(at, &files)).collect())
    }

    fn site<'a>(
        &'a self,
        docs: &Docs<'_>,
        doc: &'a Doc,
        parts: &'a Parts,
        finding: &'a Finding,
        before: &'a Before,
    ) -> Site<'a> {
        Site {
            path: &doc.input.path,
            origin: &doc.origin,
            text: &doc.text,
            parts,
            stmts: &doc.parsed.stmts,
            index: statement_of(doc, finding),
            schema: &before.schema,
            directives: &doc.directives,
            finding,
            config: self.config,
            with_default: &before.with_default,
            explained: is_explained(&doc.text) || docs.has_page(doc),
        }
    }

    /// The set when whatever a proposal brought with it is mended as well.
    fn settled(&self, mut docs: Docs<'c>, allowed: &Counts) -> Result<(Docs<'c>, Counts), String> {
        for _ in 0..ROUNDS {
            let findings = self.findings(&docs);
            let now = counts(&docs, &findings);
            let new: Vec<_> = difference(&now, allowed).into_keys().collect();
            let is_new = |finding: &&Finding| {
                new.contains(&(finding.rule, origin_of(&docs, finding), finding.table.clone()))
            };
            let Some(first) = findings.iter().rfind(is_new) else { return Ok((docs, now)) };
            let complaint = format!("its mechanical form would be a case of {}", first.rule);
            let proposals = self.proposals(&docs, first).map_err(|_| complaint.clone())?;
            docs = proposals.into_iter().find_map(Result::ok).ok_or(complaint)?;
        }
        Err("its mechanical form leads to one more finding each time".to_owned())
    }

    /// Errors and warnings, but for those about sidecars, which nobody can write for others.
    fn findings(&self, docs: &Docs<'_>) -> Vec<Finding> {
        let inputs = docs.inputs();
        let later = lint_range(&inputs, self.first..inputs.len(), &mut self.memory.clone(), self.config);
        let counts = |finding: &Finding| {
            finding.severity != Severity::Note && !matches!(finding.rule, "missing-doc" | "missing-check")
        };
        self.found.iter().cloned().chain(later.findings).filter(counts).collect()
    }

    fn told(
        &self,
        inputs: &[Input],
        docs: &Docs<'_>,
        mended: BTreeMap<String, Vec<&'static str>>,
        left: Vec<(Finding, String)>,
    ) -> Fixed {
        let bytes =
            |path: &str| inputs.iter().find(|input| input.path == path).map(|input| input.bytes.clone());
        let mut changes = Vec::new();
        for doc in &docs.all {
            let before = doc.was.as_deref().and_then(bytes).unwrap_or_default();
            if doc.was.as_deref() != Some(&doc.input.path) || before != doc.input.bytes {
                let (to, after) = (doc.input.path.clone(), doc.input.bytes.clone());
                changes.push(Change { from: doc.was.clone(), to, before, after });
            }
        }
        let mut fixes: Vec<Fix> = Vec::new();
        for input in inputs {
            let Some(rules) = mended.get(&input.path) else { continue };
            let mut rules = rules.clone();
            rules.sort_unstable();
            let of = docs.all.iter().filter(|doc| doc.origin == input.path);
            let files = of.map(|doc| doc.input.path.clone()).collect();
            let about = |origin: &str| {
                origin == input.path || origin.strip_suffix(".down.sql") == input.path.strip_suffix(".sql")
            };
            let notes = docs.notes.iter().filter(|(origin, _)| about(origin)).map(|(_, note)| note.clone());
            fixes.push(Fix { path: input.path.clone(), rules, files, notes: notes.collect() });
        }
        Fixed { inputs: docs.inputs(), changes, fixes, left }
    }
}

/// A file that may be mended, in its parts.
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

fn counts(docs: &Docs<'_>, findings: &[Finding]) -> Counts {
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
