//! The linter's output: one finding per place, with the lock it concerns and the safe way.

use refit_model::{LineIndex, Position};
use serde::Serialize;

use crate::lock::LockMode;
use crate::sql::Span;

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For information; never fails a run.
    Note,
    /// A warning; fails a run.
    Warning,
    /// An error, which must not be deployed; fails a run.
    Error,
}

/// One place where a rule applies.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The rule's name.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The file, as the caller named it.
    pub path: String,
    /// Its range, in bytes of the normalized text.
    pub span: Span,
    /// Start position.
    pub start: Position,
    /// End position, exclusive.
    pub end: Position,
    /// The problem, in one sentence.
    pub message: String,
    /// The safe way: a sentence, then SQL ready to paste.
    pub help: String,
    /// The strongest lock that the statement takes on the table.
    pub lock: Option<LockMode>,
    /// The table that it concerns.
    pub table: Option<String>,
    /// What it has in common with others: of the findings of a rule in a file that have the same group, the first is shown.
    pub(crate) group: Option<String>,
    /// Whether it is about a lock that is held while the statement works, not while it waits for another lock.
    pub(crate) is_held_while_working: bool,
}

impl Finding {
    /// A finding without help, lock and table; `index` is that of the normalised text.
    pub fn new(
        rule: &'static str,
        severity: Severity,
        path: impl Into<String>,
        span: Span,
        index: &LineIndex<'_>,
        message: impl Into<String>,
    ) -> Finding {
        Finding {
            rule,
            severity,
            path: path.into(),
            span,
            start: index.position(span.start as usize),
            end: index.position(span.end as usize),
            message: message.into(),
            help: String::new(),
            lock: None,
            table: None,
            group: None,
            is_held_while_working: false,
        }
    }

    /// The same with a help.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Finding {
        self.help = help.into();
        self
    }

    /// What identifies the finding over edits of the file: rule, file name, table and message, as 16 hex digits (FNV-1a).
    pub fn fingerprint(&self) -> String {
        let file = self.path.rsplit('/').next().unwrap_or(&self.path);
        let table = self.table.as_deref().unwrap_or_default();
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for byte in [self.rule, file, table, &self.message].join("\n").bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        format!("{hash:016x}")
    }
}

impl Severity {
    /// `note`, `warning` or `error`.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}
