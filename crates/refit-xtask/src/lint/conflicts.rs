//! `--since REF`: conflicts with what the other branch has added meanwhile, as findings; `--prove` decides them on servers.

use std::collections::BTreeSet;

use refit_catalog::{Change, Delta};
use refit_lint::sql::Span;
use refit_lint::{Finding, Input, Outcome, Overlap, Severity};
use refit_model::LineIndex;
use refit_rehearsal::Failure;

use super::insert;
use super::sources::Sources;
use crate::branch::Branch;
use crate::branch::overlap::{Candidate, Common, candidates};
use crate::branch::proof::{Proof, prove};
use crate::context::Context;

/// The name of the finding. It is not a rule, because only git can detect it.
const CONFLICT: &str = "branch-conflict";

/// Adds a finding for each conflict of this branch with `reference`.
///
/// # Errors
/// When git cannot read the other branch, or with `is_proven`, no server can be started.
pub(crate) async fn run(
    reference: &str,
    is_proven: bool,
    sources: &Sources,
    outcome: &mut Outcome,
    context: &Context,
) -> anyhow::Result<()> {
    let branch = Branch::read(&sources.folder, Some(reference), "--since")?;
    let candidates = candidates(&branch, &sources.config);
    let has_both = !branch.new_here().is_empty() && !branch.new_there().is_empty();
    let is_numbered = candidates.iter().all(|one| !matches!(one.common, Common::Version(_)));
    if is_proven && !is_numbered {
        context.out.note(
            "the orders cannot be compared while two migrations have one version: run `cargo xtask renumber`",
        );
    }
    let proof = match is_proven && is_numbered && has_both {
        true => Some(Box::pin(prove(&branch, &sources.config, context)).await?),
        false => None,
    };
    let report = Conflicts { branch: &branch, sources, candidates: &candidates, proof: proof.as_ref() };
    let findings = candidates.iter().map(|one| report.finding(one)).chain(report.unattributed());
    for finding in findings.flatten() {
        insert(finding, sources, outcome);
    }
    Ok(())
}

struct Conflicts<'a> {
    branch: &'a Branch,
    sources: &'a Sources,
    candidates: &'a [Candidate],
    proof: Option<&'a Proof>,
}

/// Severity, message and help of a finding.
type Words = (Severity, String, String);

impl Conflicts<'_> {
    fn finding(&self, one: &Candidate) -> Option<Finding> {
        let (severity, message, help) = match (&one.common, self.proof) {
            (Common::Version(version), _) => self.same_version(one, *version),
            (Common::Overlap(overlap), None) => self.possible(one, overlap),
            (Common::Overlap(overlap), Some(Proof::Compared(delta))) => self.compared(one, overlap, delta),
            (Common::Overlap(overlap), Some(Proof::Failed { file, ours_first, failure })) => {
                match *file == one.ours || *file == one.theirs {
                    true => self.failed(file, *ours_first, failure, Some(one)),
                    // The proof ended at the failure.
                    false => self.possible(one, overlap),
                }
            }
        };
        self.at(&one.ours, one.span, severity, message, help)
    }

    /// A finding for what the proof showed and no candidate foretold.
    fn unattributed(&self) -> Option<Option<Finding>> {
        let (file, words) = match self.proof? {
            Proof::Failed { file, ours_first, failure } => {
                if self.candidates.iter().any(|one| *file == one.ours || *file == one.theirs) {
                    return None;
                }
                (file.as_str(), self.failed(file, *ours_first, failure, None))
            }
            Proof::Compared(delta) => {
                let is_of = |change: &&Change| {
                    self.candidates.iter().any(|one| match &one.common {
                        Common::Overlap(overlap) => is_about(change, overlap),
                        Common::Version(_) => false,
                    })
                };
                let rest: Vec<&Change> = delta.changes.iter().filter(|change| !is_of(change)).collect();
                if rest.is_empty() {
                    return None;
                }
                let what = format!("migrations of this branch and of {}", self.branch.name);
                ("", self.differs(&what, &rest, delta))
            }
        };
        let here = self.branch.new_here();
        let place = here.iter().find(|known| **known == file).or(here.first())?;
        Some(self.at(place, Span::default(), words.0, words.1, words.2))
    }

    fn same_version(&self, one: &Candidate, version: i64) -> Words {
        let Branch { name, .. } = self.branch;
        let message = format!("{} of {name} has version {version}, too", one.theirs);
        (
            Severity::Error,
            message,
            format!("give this one a later version:\ncargo xtask renumber --since {name}"),
        )
    }

    fn possible(&self, one: &Candidate, overlap: &Overlap) -> Words {
        let Branch { name, .. } = self.branch;
        let message = match overlap {
            Overlap::Objects { names, .. } => {
                format!(
                    "{} of {name} touches {} as well, and the result may depend on the order",
                    one.theirs,
                    list(names)
                )
            }
            Overlap::Unknown(reason) => {
                format!(
                    "this or {} of {name} may touch anything ({reason}), and the result may depend on the order",
                    one.theirs
                )
            }
        };
        let help = format!(
            "run both orders on private servers and compare the schemas:\n\
             cargo xtask lint-migrations --since {name} --prove"
        );
        (Severity::Warning, message, help)
    }

    fn compared(&self, one: &Candidate, overlap: &Overlap, delta: &Delta) -> Words {
        let Branch { name, .. } = self.branch;
        let changes: Vec<&Change> = delta.changes.iter().filter(|change| is_about(change, overlap)).collect();
        if !changes.is_empty() {
            return self.differs(&format!("this and {} of {name}", one.theirs), &changes, delta);
        }
        match overlap {
            Overlap::Objects { rows, .. } if !rows.is_empty() => {
                let message = format!(
                    "this and {} of {name} change rows of {}; the schema does not depend on the order, but rows are not compared",
                    one.theirs,
                    list(rows)
                );
                (Severity::Warning, message, self.remedy())
            }
            _ => {
                let message =
                    format!("{} of {name} and this commute: both orders make the same schema", one.theirs);
                (Severity::Note, message, String::new())
            }
        }
    }

    fn differs(&self, what: &str, changes: &[&Change], delta: &Delta) -> Words {
        let (severity, schema) = match delta.is_only_moved() {
            true => (Severity::Warning, "the order of columns"),
            false => (Severity::Error, "the schema"),
        };
        let lines: Vec<String> = changes.iter().map(|change| change.text().trim_end().to_owned()).collect();
        let help = format!(
            "if {} runs first, instead of this branch:\n{}\n{}",
            self.branch.name,
            lines.join("\n"),
            self.remedy()
        );
        (severity, format!("{schema} depends on the order of {what}"), help)
    }

    fn failed(&self, file: &str, ours_first: bool, failure: &Failure, of: Option<&Candidate>) -> Words {
        let Branch { name, .. } = self.branch;
        let (first, second) = match (of, ours_first) {
            (Some(one), true) => (one.ours.clone(), format!("{} of {name}", one.theirs)),
            (Some(one), false) => (format!("{} of {name}", one.theirs), one.ours.clone()),
            (None, true) => ("this branch".to_owned(), name.clone()),
            (None, false) => (name.clone(), "this branch".to_owned()),
        };
        let second = if second.starts_with(file) { "it".to_owned() } else { second };
        let code = failure.sqlstate.as_ref().map_or(String::new(), |code| format!("{code} "));
        let message = format!(
            "{file}:{}:{} fails if {first} runs before {second}: {code}{}",
            failure.line, failure.column, failure.message
        );
        let hint = [&failure.detail, &failure.hint].into_iter().flatten().map(|text| format!("{text}\n"));
        (Severity::Error, message, hint.collect::<String>() + &self.remedy())
    }

    fn remedy(&self) -> String {
        let Branch { name, .. } = self.branch;
        format!(
            "make every database run them in one order: merge {name}, run `cargo xtask renumber`, and change what does not work there"
        )
    }

    fn at(
        &self,
        file: &str,
        span: Span,
        severity: Severity,
        message: String,
        help: String,
    ) -> Option<Finding> {
        let input = self.input(file)?;
        let sent = input.with_values(&self.sources.config);
        let written = sent.written_range(span.start as usize..span.end as usize);
        let offset = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
        let span = Span { start: offset(written.start), end: offset(written.end) };
        let index = LineIndex::new(sent.written());
        Some(Finding::new(CONFLICT, severity, &input.path, span, &index, message).with_help(help))
    }

    /// The input of a file of the folder.
    fn input(&self, file: &str) -> Option<&Input> {
        let folder = &self.sources.config.folder;
        self.sources.inputs.iter().find(|input| {
            input.path.strip_prefix(folder.as_str()).is_some_and(|name| name.trim_start_matches('/') == file)
        })
    }
}

/// Whether a change is about an object that two migrations have in common.
fn is_about(change: &Change, overlap: &Overlap) -> bool {
    let Overlap::Objects { names, .. } = overlap else { return true };
    let same = |object: &str| {
        let object = object.strip_prefix("public.").unwrap_or(object);
        let bare = object.rsplit('.').next().unwrap_or(object);
        names.contains(object) || names.contains(bare)
    };
    same(&change.name) || change.of.as_deref().is_some_and(same)
}

/// The names of a sentence; many are cut.
fn list(names: &BTreeSet<String>) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    match names.len() {
        count if count > SHOWN => format!("{} and {} more", shown.join(", "), count - SHOWN),
        _ => shown.join(", "),
    }
}
