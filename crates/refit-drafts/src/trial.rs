//! Statements on a throw-away database, in an order in which each succeeds.

use tokio_postgres::{Client, Error};

use crate::plan::Statement;

/// The result of trying statements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// Those that succeeded, in the order in which they did.
    pub statements: Vec<Statement>,
    /// Those that the server refused, each with its message.
    pub failed: Vec<(Statement, String)>,
}

/// Runs statements, each in a transaction of its own. One that fails is tried again after those that follow it, as long as any
/// succeeds: what depends on what, only the server knows.
///
/// # Errors
/// When the connection is lost.
pub async fn try_out(client: &Client, statements: Vec<Statement>) -> Result<Tried, Error> {
    let mut tried = Tried::default();
    let mut left = statements;
    loop {
        let before = tried.statements.len();
        tried.failed.clear();
        for statement in left {
            match client.batch_execute(&statement.sql).await {
                Ok(()) => tried.statements.push(statement),
                Err(error) => match error.as_db_error() {
                    Some(refused) => {
                        let message = refused.message().to_owned();
                        tried.failed.push((statement, message));
                    }
                    None => return Err(error),
                },
            }
        }
        if tried.failed.is_empty() || tried.statements.len() == before {
            return Ok(tried);
        }
        left = tried.failed.iter().map(|(statement, _)| statement.clone()).collect();
    }
}
