//! Which approvals of a migration count, and how many it needs.

use std::collections::HashSet;
use std::fmt;

use serde::Serialize;

use super::{Approval, LintSeverity, SignatureState};
use crate::environment::Approvals;
use crate::order::SetStep;
use crate::set::MigrationSet;

impl Approvals {
    /// The number for a severity; the highest one if the severity is not recorded.
    pub fn of(&self, severity: Option<LintSeverity>) -> u32 {
        match severity {
            Some(LintSeverity::Error) => self.error,
            Some(LintSeverity::Warn) => self.warn,
            Some(LintSeverity::Clean) => self.clean,
            None => self.error.max(self.warn).max(self.clean),
        }
    }
}

/// Why an approval does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ApprovalVoid {
    /// The migration, or its down or check file, was edited since.
    Edited,
    /// The person wrote the migration.
    Own,
    /// An earlier entry of the same person counts.
    Repeated,
    /// The signature is missing or not one of the person.
    Signature(SignatureState),
}

impl fmt::Display for ApprovalVoid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApprovalVoid::Edited => f.write_str("the migration was edited since"),
            ApprovalVoid::Own => f.write_str("the person wrote the migration"),
            ApprovalVoid::Repeated => f.write_str("the person has approved it already"),
            ApprovalVoid::Signature(state) => state.fmt(f),
        }
    }
}

/// The approvals of a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ApprovalCount<'a> {
    /// The stem of the migration.
    pub stem: &'a str,
    /// What the linter found, as recorded for the present content: the highest in `[[lint]]` or in an entry
    /// that counts or repeats one that does.
    pub severity: Option<LintSeverity>,
    /// Every entry for the migration, in order, with the reason if it does not count.
    pub entries: Vec<(&'a Approval, Option<ApprovalVoid>)>,
}

impl ApprovalCount<'_> {
    /// How many people have approved it.
    pub fn counted(&self) -> u32 {
        self.entries.iter().filter(|(_, void)| void.is_none()).map(|_| 1).sum()
    }

    /// How many more have to.
    pub fn missing(&self, required: &Approvals) -> u32 {
        required.of(self.severity).saturating_sub(self.counted())
    }
}

impl MigrationSet {
    /// The approvals of a migration. `authors` wrote it, by e-mail address, in addition to those whom an entry for the present
    /// content names: their approvals do not count.
    ///
    /// If the folder has `allowed_signers`, only approvals whose signature was verified count; otherwise those without one.
    pub fn approvals_of<'a>(&'a self, step: SetStep<'a>, authors: &[String]) -> ApprovalCount<'a> {
        let stem = step.file().stem.as_str();
        let approvals = self.approvals();
        let of_step: Vec<&Approval> =
            approvals.entries.iter().filter(|entry| entry.migration == stem).collect();
        let records = approvals.lint.iter().filter(|record| record.migration == stem);
        let mut records = records.peekable();
        if of_step.is_empty() && records.peek().is_none() {
            return ApprovalCount { stem, severity: None, entries: Vec::new() };
        }
        let digest = step.digest();
        let present = of_step.iter().filter(|entry| entry.digest == digest);
        let recorded = present.flat_map(|entry| &entry.authors);
        let authors: HashSet<String> = authors.iter().chain(recorded).map(|author| same(author)).collect();
        let mut people = HashSet::new();
        let mut void = |entry: &Approval| {
            let state = entry.signature_state;
            let is_signed = state == SignatureState::Verified;
            let needs_none = state == SignatureState::Unsigned && approvals.allowed_signers.is_none();
            if entry.digest != digest {
                Some(ApprovalVoid::Edited)
            } else if !is_signed && !needs_none {
                Some(ApprovalVoid::Signature(state))
            } else if authors.contains(&same(&entry.by)) {
                Some(ApprovalVoid::Own)
            } else {
                (!people.insert(same(&entry.by))).then_some(ApprovalVoid::Repeated)
            }
        };
        let entries: Vec<_> = of_step.into_iter().map(|entry| (entry, void(entry))).collect();
        // Who approves again, since the linter finds more, counts once, but has seen it.
        let is_valid = |void: &Option<ApprovalVoid>| matches!(void, None | Some(ApprovalVoid::Repeated));
        let seen = entries.iter().filter(|(_, void)| is_valid(void)).map(|(entry, _)| entry.lint);
        let records = records.filter(|record| record.digest == digest).map(|record| record.severity);
        ApprovalCount { stem, severity: seen.chain(records).max(), entries }
    }
}

/// A person's address as it is compared: case does not count.
fn same(address: &str) -> String {
    address.to_lowercase()
}
