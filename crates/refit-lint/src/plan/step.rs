//! The steps that replace a statement, each with how it runs.

use super::parts::Piece;

/// The result of a fix.
pub(crate) enum Plan {
    /// These steps replace the statement.
    Steps(Vec<Step>),
    /// This text replaces the file's text.
    Text(String),
    /// The file is split into these groups of statements; the flag says whether each is one transaction.
    Cut(Vec<(bool, Vec<Piece>)>),
}

/// How a step runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Runs {
    /// In one transaction with the statements before it.
    Here,
    /// In its own transaction.
    Apart,
    /// Without a transaction.
    Alone,
    /// In its own transaction, with nothing in the file that depends on it: a VALIDATE.
    Later,
    /// In batches; the value of the directive.
    Backfill(String),
}

/// A step: statements that run together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) runs: Runs,
    /// Without semicolons.
    pub(crate) sql: Vec<String>,
    /// The name of its file, and the comment at its top.
    pub(crate) title: String,
}

impl Step {
    pub(crate) fn here(sql: impl Into<String>) -> Step {
        Step { runs: Runs::Here, sql: vec![sql.into()], title: String::new() }
    }

    pub(crate) fn new(runs: Runs, title: impl Into<String>, sql: impl Into<String>) -> Step {
        Step { runs, sql: vec![sql.into()], title: title.into() }
    }
}
