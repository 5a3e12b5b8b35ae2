//! The steps of a change, each with how it runs.

/// How a step runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Runs {
    /// In one transaction with the statements before it.
    Here,
    /// In its own transaction.
    Apart,
    /// Without a transaction.
    Alone,
    /// In its own transaction, with nothing in the file that depends on it: a VALIDATE.
    Later,
    /// In batches, as a backfill; the value of the directive `backfill`.
    Backfill(String),
}

/// A step: statements that run together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// How it runs.
    pub runs: Runs,
    /// The statements, without semicolons.
    pub sql: Vec<String>,
    /// The name of its file, and the comment at its top.
    pub title: String,
}

impl Step {
    /// A statement that runs in one transaction with those before it.
    pub fn here(sql: impl Into<String>) -> Step {
        Step { runs: Runs::Here, sql: vec![sql.into()], title: String::new() }
    }

    /// A statement with its own way to run, and the title of its file.
    pub fn new(runs: Runs, title: impl Into<String>, sql: impl Into<String>) -> Step {
        Step { runs, sql: vec![sql.into()], title: title.into() }
    }
}
