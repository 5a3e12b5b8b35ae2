//! Statements on a throw-away database, in an order in which each succeeds.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

use crate::plan::Statement;

/// The result of trying statements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// Those that succeeded, in the order in which they did.
    pub statements: Vec<Statement>,
    /// Those that the server refused.
    pub failed: Vec<Refused>,
}

/// A statement that the server refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The statement.
    pub statement: Statement,
    /// The server's message.
    pub message: String,
    /// Whether it is about rows: a value that cannot be converted, or that violates a constraint.
    pub about_rows: bool,
}

/// Runs statements, each in a transaction of its own. One that fails is tried again whenever one after it has succeeded: what
/// depends on what, only the server knows.
///
/// # Errors
/// When the connection is lost.
pub async fn try_out(client: &Client, statements: Vec<Statement>) -> Result<Tried, Error> {
    let mut tried = Tried::default();
    for statement in statements {
        match run(client, statement).await? {
            Ok(statement) => tried.statements.push(statement),
            Err(refused) => {
                tried.failed.push(refused);
                continue;
            }
        }
        while !tried.failed.is_empty() {
            let mut left = Vec::new();
            let before = tried.statements.len();
            for refused in std::mem::take(&mut tried.failed) {
                match run(client, refused.statement).await? {
                    Ok(statement) => tried.statements.push(statement),
                    Err(refused) => left.push(refused),
                }
            }
            tried.failed = left;
            if tried.statements.len() == before {
                break;
            }
        }
    }
    Ok(tried)
}

/// Runs a statement, or its other form. The result is the form that succeeded.
async fn run(client: &Client, mut statement: Statement) -> Result<Result<Statement, Refused>, Error> {
    let Err(error) = client.batch_execute(&statement.sql).await else { return Ok(Ok(statement)) };
    let Some(refused) = error.as_db_error() else { return Err(error) };
    if *refused.code() == SqlState::DATATYPE_MISMATCH
        && let Some(otherwise) = statement.otherwise.take()
        && client.batch_execute(&otherwise).await.is_ok()
    {
        statement.sql = otherwise;
        return Ok(Ok(statement));
    }
    let about_rows = ["22", "23"].iter().any(|class| refused.code().code().starts_with(class));
    Ok(Err(Refused { statement, message: refused.message().to_owned(), about_rows }))
}
