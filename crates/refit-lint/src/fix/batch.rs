//! Many findings of one file, fixed together: proposed and linted in one step. If the linter reports problems with the
//! result, halves are tried, until the fixes that cause them are isolated.

use std::collections::BTreeMap;

use super::docs::{Doc, Docs};
use super::fixer::{Fixer, Linted, Refused};
use super::{Counts, difference, key, origin_of, parts_of, place, statement_of};
use crate::finding::Finding;
use crate::fixes;
use crate::plan::Plan;
use crate::search_path::resolved;
use crate::sequence::{Step, replace_all};

/// How many times the rest of a file is linted before it is fixed finding by finding.
const TRIES: usize = 12;

/// The steps that replace a statement.
struct Planned<'f> {
    finding: &'f Finding,
    index: usize,
    steps: Vec<Step>,
}

impl Fixer<'_> {
    /// The set with many findings of the file fixed. This is tried once: `batched` records it.
    pub(super) fn many<'c>(
        &self,
        now: &Linted<'c>,
        refused: &Refused,
        batched: &mut bool,
    ) -> Option<Linted<'c>> {
        let docs = &now.docs;
        let mut by_file: BTreeMap<usize, Vec<&Finding>> = BTreeMap::new();
        for finding in now.findings.iter().filter(|_| !*batched) {
            if fixes::of(finding.rule).is_some() && !refused.contains_key(&key(docs, finding)) {
                by_file.entry(place(docs, finding)).or_default().push(finding);
            }
        }
        for (at, findings_in) in by_file {
            let Some(doc) = docs.all.get(at).filter(|_| findings_in.len() > 1) else { continue };
            // Other findings result from these, so they are fixed first.
            if findings_in.iter().any(|finding| fixes::is_first(finding.rule)) {
                continue;
            }
            *batched = true;
            let planned = self.planned(docs, at, doc, &findings_in);
            if planned.len() > 1
                && let Some(next) = self.largest(now, at, &planned)
            {
                return Some(next);
            }
        }
        None
    }

    /// The fixes of each statement: the one for the finding that others result from.
    fn planned<'f>(
        &self,
        docs: &Docs<'_>,
        at: usize,
        doc: &Doc,
        findings: &[&'f Finding],
    ) -> Vec<Planned<'f>> {
        let mut by_statement: BTreeMap<usize, &Finding> = BTreeMap::new();
        for finding in findings {
            let first = by_statement.entry(statement_of(doc, finding)).or_insert(finding);
            if (fixes::rank(finding.rule), finding.span) < (fixes::rank(first.rule), first.span) {
                *first = finding;
            }
        }
        let mut planned = Vec::new();
        let Ok(parts) = parts_of(docs, doc) else { return planned };
        let mut schema = self.schema_before(docs, at);
        let stmts = resolved(&doc.parsed.stmts, &schema);
        let mut done = 0;
        for (index, finding) in by_statement {
            stmts[done..index].iter().for_each(|stmt| schema.replay(stmt));
            done = index;
            let site = self.site(docs, doc, (&parts, &stmts), finding, &schema);
            if let Some(Ok(Plan::Steps(steps))) = fixes::of(finding.rule).map(|plan| plan(&site)) {
                planned.push(Planned { finding, index, steps });
            }
        }
        planned
    }

    /// The set with as many of the plans as the linter accepts, if there are any.
    fn largest<'c>(&self, now: &Linted<'c>, at: usize, planned: &[Planned<'_>]) -> Option<Linted<'c>> {
        let allowed = now.counts();
        let (mut taken, mut best): (Vec<&Planned<'_>>, Option<Linted<'c>>) = (Vec::new(), None);
        let mut untried: Vec<&[Planned<'_>]> = vec![planned];
        for _ in 0..TRIES {
            let Some(part) = untried.pop() else { break };
            let all: Vec<&Planned<'_>> = taken.iter().copied().chain(part).collect();
            let passes = |apart: &bool| {
                let next = self.with_all(&now.docs, at, &all, *apart).map(|next| self.linted(next));
                next.filter(|next| passes(&now.docs, next, &allowed, &all))
            };
            match [false, true].iter().find_map(passes) {
                Some(next) => (taken, best) = (all, Some(next)),
                None if part.len() > 1 => {
                    let (first, second) = part.split_at(part.len() / 2);
                    untried.extend([second, first]);
                }
                None => {}
            }
        }
        best
    }

    /// The set with statements of a file replaced.
    fn with_all<'c>(
        &self,
        docs: &Docs<'c>,
        at: usize,
        planned: &[&Planned<'_>],
        apart: bool,
    ) -> Option<Docs<'c>> {
        let doc = docs.all.get(at)?;
        let plans: Vec<(usize, &[Step])> = planned.iter().map(|plan| (plan.index, &*plan.steps)).collect();
        let parts = parts_of(docs, doc).ok()?;
        let (schema, stmts) = (&self.memory.schema, &doc.parsed.stmts);
        let site = self.site(docs, doc, (&parts, stmts), planned.first()?.finding, schema);
        docs.replaced(at, &replace_all(&site.original(), &plans, apart).ok()?).ok()
    }
}

/// Whether all targeted findings are gone and no new one appeared.
fn passes(docs: &Docs<'_>, next: &Linted<'_>, allowed: &Counts, planned: &[&Planned<'_>]) -> bool {
    let now = next.counts();
    let mut gone = difference(allowed, &now);
    let is_gone = |plan: &&Planned<'_>| {
        let target = (plan.finding.rule, origin_of(docs, plan.finding), plan.finding.table.clone());
        gone.get_mut(&target).is_some_and(|left| {
            *left = left.wrapping_sub(1);
            *left != usize::MAX
        })
    };
    difference(&now, allowed).is_empty() && planned.iter().all(is_gone)
}
