//! Approvals: who accepts a migration as it is, from `approvals.toml`.
//!
//! An entry names its migration by stem and by a digest of its content, so that an edit voids it. What an entry counts for is
//! decided in `count`, from the entries alone: no clock, no git, no key. `refit-approvals` verifies signatures, and the
//! result is a [`SignatureState`] of each entry.

mod count;
mod parse;
mod signature;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use count::{ApprovalCount, ApprovalVoid};
pub use parse::{is_approver, is_role};
pub use signature::SignatureState;

use crate::problem::Problem;
use crate::text::Position;

/// The file of a folder with its approvals.
pub const APPROVALS: &str = "approvals.toml";

/// The file of a folder with the keys that may sign approvals, in OpenSSH's format.
pub const ALLOWED_SIGNERS: &str = "allowed_signers";

/// The namespace of signatures of approvals: one that was made for something else is not accepted.
pub const SIGNATURE_NAMESPACE: &str = "refit-approval";

/// The highest severity of what the linter finds in a migration, suppressed findings included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LintSeverity {
    /// Nothing, or only notes.
    Clean,
    /// A warning.
    Warn,
    /// An error.
    Error,
}

impl LintSeverity {
    /// As it is written in `approvals.toml`.
    pub fn as_str(self) -> &'static str {
        match self {
            LintSeverity::Clean => "clean",
            LintSeverity::Warn => "warn",
            LintSeverity::Error => "error",
        }
    }
}

/// An entry `[[approval]]`: a person accepts a migration as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Approval {
    /// The stem of the migration.
    pub migration: String,
    /// The digest of its content, as [`SetStep::digest`](crate::SetStep::digest) returns it.
    pub digest: String,
    /// The person, by e-mail address.
    pub by: String,
    /// The role in which the person approves.
    pub role: Option<String>,
    /// When, in UTC: `2026-11-29T00:20:00Z`.
    pub at: String,
    /// What the linter found.
    pub lint: LintSeverity,
    /// Who wrote the migration, by e-mail address, as far as git knew.
    pub authors: Vec<String>,
    /// The signature over [`signed_text`](Approval::signed_text), armored.
    pub signature: Option<String>,
    /// Whether the signature is one of the person.
    pub signature_state: SignatureState,
    /// Where the entry begins.
    pub position: Position,
}

impl Approval {
    /// A new entry, without a signature.
    ///
    /// `by` and `authors` are e-mail addresses that [`is_approver`] accepts, and `at` is a time in UTC with whole seconds:
    /// otherwise the file into which it is written is malformed.
    pub fn new(migration: &str, digest: &str, by: &str, at: &str, lint: LintSeverity) -> Approval {
        Approval {
            migration: migration.to_owned(),
            digest: digest.to_owned(),
            by: by.to_owned(),
            role: None,
            at: at.to_owned(),
            lint,
            authors: Vec::new(),
            signature: None,
            signature_state: SignatureState::Unsigned,
            position: Position { line: 1, column: 1 },
        }
    }

    /// The text that is signed: a line for each field, none of which contains a line break.
    pub fn signed_text(&self) -> String {
        let Approval { migration, digest, by, role, at, lint, authors, .. } = self;
        let role = role.as_ref().map_or(String::new(), |role| format!("role: {role}\n"));
        let authors: String = authors.iter().map(|author| format!("author: {author}\n")).collect();
        format!(
            "refit approval 1\nmigration: {migration}\ndigest: {digest}\nby: {by}\n{role}at: {at}\nlint: {}\n{authors}",
            lint.as_str()
        )
    }

    /// The entry as it is written in `approvals.toml`.
    pub fn to_toml(&self) -> String {
        let Approval { migration, digest, by, role, at, lint, authors, signature, .. } = self;
        let mut text = format!(
            "[[approval]]\nmigration = \"{migration}\"\ndigest = \"{digest}\"\nby = \"{by}\"\n{}at = {at}\nlint = \"{}\"\n",
            role.as_ref().map_or(String::new(), |role| format!("role = \"{role}\"\n")),
            lint.as_str()
        );
        if !authors.is_empty() {
            let authors: Vec<String> = authors.iter().map(|author| format!("\"{author}\"")).collect();
            text.push_str(&format!("authors = [{}]\n", authors.join(", ")));
        }
        if let Some(signature) = signature {
            text.push_str(&format!("signature = '''\n{}\n'''\n", signature.trim()));
        }
        text
    }
}

/// An entry `[[lint]]`: what the linter found in a migration without an approval. The program that embeds the folder has no
/// linter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LintRecord {
    /// The stem of the migration.
    pub migration: String,
    /// The digest of its content.
    pub digest: String,
    /// What the linter found.
    pub severity: LintSeverity,
    /// Where the entry begins.
    pub position: Position,
}

impl LintRecord {
    /// A new entry.
    pub fn new(migration: &str, digest: &str, severity: LintSeverity) -> LintRecord {
        let (migration, digest) = (migration.to_owned(), digest.to_owned());
        LintRecord { migration, digest, severity, position: Position { line: 1, column: 1 } }
    }

    /// The entry as it is written in `approvals.toml`.
    pub fn to_toml(&self) -> String {
        let LintRecord { migration, digest, severity, .. } = self;
        let severity = severity.as_str();
        format!("[[lint]]\nmigration = \"{migration}\"\ndigest = \"{digest}\"\nseverity = \"{severity}\"\n")
    }
}

/// What a folder says about approvals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApprovalRecords {
    /// The entries `[[approval]]` of `approvals.toml`, in order.
    pub entries: Vec<Approval>,
    /// The entries `[[lint]]` of `approvals.toml`, in order.
    pub lint: Vec<LintRecord>,
    /// The text of `allowed_signers`. If there is such a file, only signed approvals count.
    pub allowed_signers: Option<String>,
}

impl ApprovalRecords {
    /// Reads the text of `approvals.toml`, which is normalized.
    ///
    /// # Errors
    /// Every problem of the file, each with its position.
    pub fn parse(text: &str) -> Result<ApprovalRecords, Vec<Problem>> {
        parse::parse(text)
    }

    /// Whether there is something to verify: a signature, or keys that may sign.
    pub fn has_signatures(&self) -> bool {
        self.allowed_signers.is_some() || self.entries.iter().any(|entry| entry.signature.is_some())
    }

    /// The states of the signatures, in the order of the entries, as [`set_signature_codes`](ApprovalRecords::set_signature_codes)
    /// reads them.
    pub fn signature_codes(&self) -> String {
        let codes: Vec<&str> = self.entries.iter().map(|entry| entry.signature_state.code()).collect();
        codes.join(",")
    }

    /// Sets the states of the signatures. What is missing or unknown stays as it is: a signature that was not verified does not
    /// count.
    pub fn set_signature_codes(&mut self, codes: &str) {
        for (entry, code) in self.entries.iter_mut().zip(codes.split(',')) {
            if let Some(state) = SignatureState::from_code(code).filter(|_| entry.signature.is_some()) {
                entry.signature_state = state;
            }
        }
    }
}
