//! What is to take a statement's place: steps, each of which runs in its own way.

use super::parts::Piece;

/// What a fix makes of a file.
pub(crate) enum Plan {
    /// The statement becomes these steps.
    Steps(Vec<Step>),
    /// The file's text becomes another.
    Text(String),
    /// The file is cut into these: whether each is one transaction, and its statements.
    Cut(Vec<(bool, Vec<Piece>)>),
}

/// How a step runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Runs {
    /// In one transaction with what is before it.
    Here,
    /// In a transaction of its own.
    Apart,
    /// In no transaction.
    Alone,
    /// In a transaction of its own, and nothing in the file relies on it: a VALIDATE.
    Later,
    /// In batches; the directive's value.
    Backfill(String),
}

/// A step: statements that run together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) runs: Runs,
    /// Without semicolons.
    pub(crate) sql: Vec<String>,
    /// What its file is called, and what the comment at its top says.
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
