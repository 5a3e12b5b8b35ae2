//! Many findings of one file, mended at once: proposed together, and linted together. Where the linter finds fault with the
//! whole, halves of it are tried, so that what is at fault is left for itself.

use std::collections::{BTreeMap, BTreeSet};

use super::docs::{Doc, Docs};
use super::{
    Mender, Plan, Refused, Step, counts, difference, key, origin_of, parts_of, place, sequence, statement_of,
};
use crate::finding::Finding;
use crate::fixes;

/// How often what is left of a file is linted before the rest is mended one by one.
const TRIES: usize = 12;

/// The steps that take the place of a statement.
struct Planned<'f> {
    finding: &'f Finding,
    index: usize,
    steps: Vec<Step>,
}

impl<'c> Mender<'c> {
    /// The set with many findings of one file mended, and the file that they came out of. What comes out of a file is tried once:
    /// `batched` has those that were.
    pub(super) fn many(
        &self,
        docs: &Docs<'c>,
        findings: &[Finding],
        refused: &Refused,
        batched: &mut BTreeSet<String>,
    ) -> Option<(Docs<'c>, String)> {
        let mut by_file: BTreeMap<usize, Vec<&Finding>> = BTreeMap::new();
        for finding in findings {
            let open = fixes::of(finding.rule).is_some() && !refused.contains_key(&key(docs, finding));
            if open && !batched.contains(&origin_of(docs, finding)) {
                by_file.entry(place(docs, finding)).or_default().push(finding);
            }
        }
        for (at, findings_in) in by_file {
            let Some(doc) = docs.all.get(at).filter(|_| findings_in.len() > 1) else { continue };
            // Others follow from these: they are mended first.
            if findings_in.iter().any(|finding| fixes::is_first(finding.rule)) {
                continue;
            }
            batched.insert(doc.origin.clone());
            let planned = self.planned(docs, at, doc, &findings_in);
            if planned.len() > 1
                && let Some(next) = self.largest(docs, at, findings, &planned)
            {
                return Some((next, doc.origin.clone()));
            }
        }
        None
    }

    /// What the fixes say of each statement: that of the finding that others follow from.
    fn planned<'f>(
        &self,
        docs: &Docs<'c>,
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
        let mut before = self.before.clone();
        before.replay(docs, self.first..at, usize::MAX);
        before.schema.in_utc = false;
        let mut done = 0;
        for (index, finding) in by_statement {
            before.statements(doc, done..index);
            done = index;
            let site = self.site(docs, doc, &parts, finding, &before);
            if let Some(Ok(Plan::Steps(steps))) = fixes::of(finding.rule).map(|plan| plan(&site)) {
                planned.push(Planned { finding, index, steps });
            }
        }
        planned
    }

    /// The set with as many of the plans as the linter lets pass, when those are some.
    fn largest(
        &self,
        docs: &Docs<'c>,
        at: usize,
        findings: &[Finding],
        planned: &[Planned<'_>],
    ) -> Option<Docs<'c>> {
        let allowed = counts(docs, findings);
        let (mut taken, mut best): (Vec<&Planned<'_>>, Option<Docs<'c>>) = (Vec::new(), None);
        let mut untried: Vec<&[Planned<'_>]> = vec![planned];
        for _ in 0..TRIES {
            let Some(part) = untried.pop() else { break };
            let all: Vec<&Planned<'_>> = taken.iter().copied().chain(part).collect();
            let passes = |apart: &bool| {
                let next = self.with_all(docs, at, &all, *apart);
                next.filter(|next| self.passes(docs, next, &allowed, &all))
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

    /// The set with the statements of a file replaced.
    fn with_all(
        &self,
        docs: &Docs<'c>,
        at: usize,
        planned: &[&Planned<'_>],
        apart: bool,
    ) -> Option<Docs<'c>> {
        let doc = docs.all.get(at)?;
        let plans: Vec<(usize, &[Step])> = planned.iter().map(|plan| (plan.index, &*plan.steps)).collect();
        let parts = parts_of(docs, doc).ok()?;
        let site = self.site(docs, doc, &parts, planned.first()?.finding, &self.before);
        docs.replaced(at, &sequence(&site, &plans, apart).ok()?).ok()
    }

    /// Whether all that was to be mended is gone, and nothing has come.
    fn passes(
        &self,
        docs: &Docs<'c>,
        next: &Docs<'c>,
        allowed: &super::Counts,
        planned: &[&Planned<'_>],
    ) -> bool {
        let now = counts(next, &self.findings(next));
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
}
