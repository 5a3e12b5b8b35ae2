//! Pipelining: a step is sent while the one before it still runs, so that the server need not wait.
//!
//! Nothing of it runs unless the step before was applied. In most cases the server ensures that, because a failed transaction
//! stays open and rejects everything that follows. If the failure ended the transaction, or happened before it began, the opening
//! of the message rejects the rest ([`guard`]).

use std::pin::pin;

use futures_util::TryStreamExt;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryStream};

use crate::exec::failure::Attempt;
use crate::exec::opening::Extent;

/// A simple query that was sent.
pub(crate) struct Pipelined {
    responses: Result<SimpleQueryStream, tokio_postgres::Error>,
    opening: Extent,
}

impl Pipelined {
    /// Sends the message without waiting for its result. `opening` is the part of it before the migration's text.
    pub(crate) async fn send(client: &Client, message: &str, opening: Extent) -> Pipelined {
        Pipelined { responses: client.simple_query_raw(message).await, opening }
    }

    /// Waits for the result; returns the last value of the last row.
    pub(crate) async fn outcome(self) -> Result<Option<String>, Attempt> {
        let (mut completed, mut last) = (0, None);
        let failed = |error, completed| Attempt {
            error,
            completed,
            opening: self.opening,
            offset: Some(0),
            blockers: Vec::new(),
        };
        let stream = self.responses.map_err(|error| failed(error, completed))?;
        let mut stream = pin!(stream);
        loop {
            match stream.try_next().await {
                Ok(Some(SimpleQueryMessage::CommandComplete(_))) => completed += 1,
                Ok(Some(SimpleQueryMessage::Row(row))) => {
                    last = row.len().checked_sub(1).and_then(|column| row.get(column)).map(str::to_owned);
                }
                Ok(Some(_)) => {}
                Ok(None) => return Ok(last),
                Err(error) => return Err(failed(error, completed)),
            }
        }
    }
}

/// The setting that names the step that this session applied last. It is set in the step's transaction, so a rollback resets it.
const APPLIED: &str = "refit.applied";

/// An item for a step's SELECT list that sets it.
pub(crate) fn mark(stem: &str) -> String {
    let stem = postgres_protocol::escape::escape_literal(stem);
    format!("pg_catalog.set_config('{APPLIED}',{stem},false)")
}

/// A branch of a CASE that fails unless the step `stem` is the one that was applied last.
pub(crate) fn guard(stem: &str) -> String {
    let stem = postgres_protocol::escape::escape_literal(stem);
    format!(
        " WHEN pg_catalog.current_setting('{APPLIED}',true) IS DISTINCT FROM {stem} \
         THEN pg_catalog.current_setting('refit.the_step_before_was_not_applied')"
    )
}
