//! One pass through the set: each file is fixed in the context of the files before it, as already fixed.

use std::collections::BTreeMap;
use std::ops::Range;

use super::docs::{Doc, Docs};
use super::{Counts, counts, difference, key, origin_of, parts_of, place, statement_of};
use crate::contract::is_explained;
use crate::engine::Memory;
use crate::finding::{Finding, Severity};
use crate::fixes;
use crate::lint::lint_range;
use crate::plan::{Plan, Site};
use crate::schema::Schema;
use crate::search_path::resolved;
use crate::sequence::{Parts, SequenceFile, cut, layouts};
use crate::sql::Stmt;

/// How many follow-up findings a proposal may cause before it is given up.
const ROUNDS: usize = 16;

/// Files that are left unchanged, with the reason.
pub(super) type Spared = BTreeMap<String, String>;

/// Findings that cannot be fixed, by [`key`], with the reason.
pub(super) type Refused = BTreeMap<(String, &'static str, String), String>;

/// The result of a pass through the set.
pub(super) struct Pass<'c> {
    pub(super) docs: Docs<'c>,
    /// The rules whose findings are gone, by file.
    pub(super) fixed: BTreeMap<String, Vec<&'static str>>,
    /// The files in which something was fixed, in order.
    pub(super) order: Vec<String>,
    /// Remaining findings, each with the reason.
    pub(super) left: Vec<(Finding, String)>,
    /// A file with more findings than it had without the fixes, and the rule; the pass ends there.
    pub(super) worse: Option<(String, &'static str)>,
}

impl<'c> Pass<'c> {
    /// Fixes file by file, up to the end or to a given file. `found` is the result before any fix.
    pub(super) fn through(docs: Docs<'c>, found: &Counts, spared: &Spared, upto: Option<&str>) -> Pass<'c> {
        let (fixed, order, left) = (BTreeMap::new(), Vec::new(), Vec::new());
        let mut pass = Pass { docs, fixed, order, left, worse: None };
        let mut fixer = Fixer { first: 0, memory: Memory::default(), spared };
        while let Some(doc) = pass.docs.all.get(fixer.first) {
            let origin = doc.origin.clone();
            let (findings, after) = fixer.fix(&mut pass);
            let now = counts(&pass.docs, findings.iter().map(|(finding, _)| finding));
            if let Some((rule, ..)) = difference(&now, found).into_keys().next() {
                pass.worse = Some((origin, rule));
                return pass;
            }
            pass.left.extend(findings);
            if upto == Some(&origin) {
                return pass;
            }
            fixer.first = fixer.range(&pass.docs).end;
            fixer.memory = after;
        }
        pass
    }
}

/// The file being fixed, or the files that it became.
pub(super) struct Fixer<'p> {
    first: usize,
    /// The state left by the files before them.
    pub(super) memory: Memory,
    spared: &'p Spared,
}

/// The set, and the findings of the current files.
pub(super) struct Linted<'c> {
    pub(super) docs: Docs<'c>,
    /// Errors and warnings, except about companion files that only their author can write.
    pub(super) findings: Vec<Finding>,
    /// The state after these files.
    after: Memory,
}

impl Linted<'_> {
    pub(super) fn counts(&self) -> Counts {
        counts(&self.docs, &self.findings)
    }
}

impl Fixer<'_> {
    /// Fixes what can be fixed. Returns the remaining findings with their reasons, and the state after the files.
    fn fix(&self, pass: &mut Pass<'_>) -> (Vec<(Finding, String)>, Memory) {
        let mut refused = Refused::new();
        let mut now = self.linted(pass.docs.clone());
        let origin = pass.docs.all[self.first].origin.clone();
        let mut batched = self.spared.contains_key(&origin);
        while let Some(next) =
            self.many(&now, &refused, &mut batched).or_else(|| self.first_fixed(&now, &mut refused))
        {
            let gone = difference(&now.counts(), &next.counts());
            let rules = gone.into_iter().flat_map(|((rule, ..), count)| std::iter::repeat_n(rule, count));
            pass.fixed.entry(origin.clone()).or_default().extend(rules);
            refused.clear();
            now = next;
        }
        let Linted { docs, findings, after } = now;
        pass.docs = docs;
        if pass.fixed.contains_key(&origin) {
            pass.order.push(origin);
        }
        let with_reason = |finding: Finding| {
            let reason = refused.get(&key(&pass.docs, &finding)).cloned();
            let reason = reason.unwrap_or_else(|| fixes::reason(finding.rule).to_owned());
            (finding, reason)
        };
        (findings.into_iter().map(with_reason).collect(), after)
    }

    /// The range of the current files.
    fn range(&self, docs: &Docs<'_>) -> Range<usize> {
        let origin = docs.all.get(self.first).map(|doc| &doc.origin);
        let same = docs.all[self.first..].iter().take_while(|doc| Some(&doc.origin) == origin);
        self.first..self.first + same.count()
    }

    /// The set with the first fixable finding fixed.
    fn first_fixed<'c>(&self, now: &Linted<'c>, refused: &mut Refused) -> Option<Linted<'c>> {
        let docs = &now.docs;
        let mut order: Vec<&Finding> = now.findings.iter().collect();
        // Within a file, fix findings that others result from first.
        order.sort_by_key(|finding| (place(docs, finding), fixes::rank(finding.rule), finding.span));
        for finding in order {
            let key = key(docs, finding);
            if refused.contains_key(&key) {
                continue;
            }
            match self.one(now, finding) {
                Ok(next) => return Some(next),
                Err(reason) => drop(refused.insert(key, reason)),
            }
        }
        None
    }

    /// The set with one finding fixed.
    fn one<'c>(&self, now: &Linted<'c>, finding: &Finding) -> Result<Linted<'c>, String> {
        let (docs, allowed) = (&now.docs, now.counts());
        let target = (finding.rule, origin_of(docs, finding), finding.table.clone());
        let mut why = String::new();
        for next in self.proposals(docs, finding)? {
            match next.and_then(|next| self.settled(next, &allowed)) {
                Ok(next) if next.counts().get(&target) < allowed.get(&target) => return Ok(next),
                // A gate may show that the next file of the same origin needs one too.
                Ok(next) if is_gated(docs, finding, &next) => return Ok(next),
                Ok(_) => why = "its mechanical form has findings too".to_owned(),
                Err(reason) => why = reason,
            }
        }
        Err(why)
    }

    /// The set after the fix of a rule.
    fn proposals<'c>(
        &self,
        docs: &Docs<'c>,
        finding: &Finding,
    ) -> Result<Vec<Result<Docs<'c>, String>>, String> {
        let Some(plan) = fixes::of(finding.rule) else {
            return Err(fixes::reason(finding.rule).to_owned());
        };
        // Findings that result from fixes of earlier files are still fixed.
        let spared = self.spared.get(&origin_of(docs, finding)).filter(|_| finding.rule != "overtakes-held");
        if let Some(why) = spared {
            return Err(why.clone());
        }
        let at = place(docs, finding);
        let Some(doc) = docs.all.get(at) else { return Err("it is not in a migration".to_owned()) };
        let parts = parts_of(docs, doc)?;
        let mut schema = self.schema_before(docs, at);
        let stmts = resolved(&doc.parsed.stmts, &schema);
        stmts.iter().take(statement_of(doc, finding)).for_each(|stmt| schema.replay(stmt));
        let site = self.site(docs, doc, (&parts, &stmts), finding, &schema);
        let one = |text: String| vec![vec![SequenceFile { name: String::new(), text, gated: false }]];
        let sequences = match plan(&site)? {
            Plan::Steps(steps) => layouts(&site.original(), &steps)?,
            Plan::Text(text) => one(text),
            Plan::Cut(groups) => vec![cut(&site.original(), groups)?],
        };
        Ok(sequences.into_iter().map(|files| docs.replaced(at, &files)).collect())
    }

    /// The schema before one of the files.
    pub(super) fn schema_before(&self, docs: &Docs<'_>, at: usize) -> Schema {
        let mut schema = self.memory.schema.clone();
        for doc in docs.all.get(self.first..at).unwrap_or_default() {
            schema.in_utc = false;
            resolved(&doc.parsed.stmts, &schema).iter().for_each(|stmt| schema.replay(stmt));
        }
        schema.in_utc = false;
        schema
    }

    pub(super) fn site<'a>(
        &'a self,
        docs: &'a Docs<'_>,
        doc: &'a Doc,
        (parts, stmts): (&'a Parts, &'a [Stmt]),
        finding: &'a Finding,
        schema: &'a Schema,
    ) -> Site<'a> {
        Site {
            path: &doc.input.path,
            origin: &doc.origin,
            text: &doc.text,
            parts,
            stmts,
            index: statement_of(doc, finding),
            schema,
            directives: &doc.directives,
            finding,
            postgres: docs.config.oldest(),
            explained: is_explained(&doc.text) || docs.has_page(doc),
        }
    }

    /// The set after fixing all findings that a proposal caused.
    fn settled<'c>(&self, mut docs: Docs<'c>, allowed: &Counts) -> Result<Linted<'c>, String> {
        for _ in 0..ROUNDS {
            let now = self.linted(docs);
            let new: Vec<_> = difference(&now.counts(), allowed).into_keys().collect();
            let is_new = |finding: &&Finding| {
                new.contains(&(finding.rule, origin_of(&now.docs, finding), finding.table.clone()))
            };
            let Some(first) = now.findings.iter().rfind(is_new) else { return Ok(now) };
            let complaint = format!("its mechanical form would be reported by {}", first.rule);
            let proposals = self.proposals(&now.docs, first).map_err(|_| complaint.clone())?;
            docs = proposals.into_iter().find_map(Result::ok).ok_or(complaint)?;
        }
        Err("its mechanical form keeps causing new findings".to_owned())
    }

    /// Lints the current files in the context of the files before them.
    pub(super) fn linted<'c>(&self, docs: Docs<'c>) -> Linted<'c> {
        let inputs = docs.alone(self.range(&docs));
        let mut after = self.memory.clone();
        let mut findings = lint_range(&inputs, 0..inputs.len(), &mut after, docs.config).findings;
        findings.retain(|finding| {
            finding.severity != Severity::Note && !matches!(finding.rule, "missing-doc" | "missing-check")
        });
        Linted { docs, findings, after }
    }
}

/// Whether a finding about a migration that overtakes another is gone, whatever is found in later files.
fn is_gated(docs: &Docs<'_>, finding: &Finding, next: &Linted<'_>) -> bool {
    let reported = key(docs, finding);
    finding.rule == "overtakes-held" && !next.findings.iter().any(|one| key(&next.docs, one) == reported)
}
