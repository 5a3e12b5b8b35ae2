//! Pipelining: a step is sent while the one before it still runs, so that the server need not wait.
//!
//! Nothing of it runs unless the step before was applied. In most cases the server ensures that, because a failed transaction
//! stays open and rejects everything that follows. If the failure ended the transaction, or happened before it began, the opening
//! of the message rejects the rest ([`guard`]).

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use futures_util::Stream;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryStream};

use crate::exec::failure::Attempt;
use crate::exec::opening::Extent;
use crate::step_notices::StepNotices;

/// A simple query that was sent.
pub(crate) struct Pipelined {
    answer: Shared,
    opening: Extent,
}

/// Also read when a notice arrives, to see whether the notice follows the answer.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Answer>>);

/// The answer to a message, as far as it has been read.
#[derive(Default)]
struct Answer {
    /// None until the message is sent.
    stream: Option<Pin<Box<SimpleQueryStream>>>,
    /// Commands that completed.
    completed: usize,
    /// The last value of the last row.
    last: Option<String>,
    is_complete: bool,
    error: Option<tokio_postgres::Error>,
    /// Who waits for it.
    waker: Option<Waker>,
}

impl Pipelined {
    /// Sends the message without waiting for its result. `opening` is the part of it before the migration's text. Notices that
    /// the server sends until it has answered are those of the step `of`, if the connection collects them.
    pub(crate) async fn send(
        client: &Client,
        message: &str,
        opening: Extent,
        of: Option<(&StepNotices, &str)>,
    ) -> Pipelined {
        let answer = Shared::default();
        if let Some((notices, stem)) = of {
            let answer = answer.clone();
            notices.sent(stem, move || answer.read_what_has_arrived());
        }
        let sent = client.simple_query_raw(message).await;
        answer.lock().begin(sent);
        Pipelined { answer, opening }
    }

    /// Waits for the result; returns the last value of the last row.
    pub(crate) async fn outcome(self) -> Result<Option<String>, Attempt> {
        poll_fn(|context| {
            let mut answer = self.answer.lock();
            answer.waker = Some(context.waker().clone());
            answer.poll(context)
        })
        .await;
        let mut answer = self.answer.lock();
        match answer.error.take() {
            None => Ok(answer.last.take()),
            Some(error) => Err(Attempt {
                error,
                completed: answer.completed,
                opening: self.opening,
                offset: Some(0),
                blockers: Vec::new(),
            }),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Answer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what the connection has received of the answer; whether that is all of it.
    fn read_what_has_arrived(&self) -> bool {
        let mut answer = self.lock();
        let waker = answer.waker.clone();
        // The stream has one waker: the one that waits for the result has to stay it.
        let mut context = Context::from_waker(waker.as_ref().unwrap_or(Waker::noop()));
        let is_complete = answer.poll(&mut context).is_ready();
        if is_complete && let Some(waker) = waker {
            waker.wake();
        }
        is_complete
    }
}

impl Answer {
    fn begin(&mut self, sent: Result<SimpleQueryStream, tokio_postgres::Error>) {
        match sent {
            Ok(stream) => self.stream = Some(Box::pin(stream)),
            Err(error) => self.end(Some(error)),
        }
    }

    fn end(&mut self, error: Option<tokio_postgres::Error>) {
        (self.is_complete, self.error, self.stream) = (true, error, None);
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while let Some(stream) = &mut self.stream {
            match ready!(stream.as_mut().poll_next(context)) {
                Some(Ok(SimpleQueryMessage::CommandComplete(_))) => self.completed += 1,
                Some(Ok(SimpleQueryMessage::Row(row))) => {
                    let last = row.len().checked_sub(1);
                    self.last = last.and_then(|column| row.get(column)).map(str::to_owned);
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => self.end(Some(error)),
                None => self.end(None),
            }
        }
        match self.is_complete {
            true => Poll::Ready(()),
            false => Poll::Pending,
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
