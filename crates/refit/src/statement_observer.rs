//! Observing statements while they run, for rehearsals.

use std::pin::Pin;

use refit_model::{Statement, StatementKind};

/// A statement that is about to run.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RunningStatement<'a> {
    /// Its place among the statements of the file, from 0.
    pub index: usize,
    /// Its text.
    pub text: &'a str,
    /// Its kind.
    pub kind: &'a StatementKind,
    /// Whether it runs in an open transaction; otherwise it commits by itself.
    pub in_transaction: bool,
    /// The number of the batch, from 0, if the file is a backfill.
    pub batch: Option<usize>,
}

impl<'a> RunningStatement<'a> {
    pub(crate) fn new(index: usize, statement: &'a Statement<'a>, in_transaction: bool) -> Self {
        RunningStatement { index, text: statement.text, kind: &statement.kind, in_transaction, batch: None }
    }
}

/// A statement on its way. It is sent when it is first polled.
pub type Sent<'a> = Pin<Box<dyn Future<Output = Result<(), tokio_postgres::Error>> + Send + 'a>>;

/// Observes the statements of a migration while an [`Executor`](crate::Executor) runs them.
///
/// ```
/// use refit::{RunningStatement, Sent, StatementObserver};
///
/// struct Printer;
///
/// impl StatementObserver for Printer {
///     fn observe<'a>(&'a self, statement: RunningStatement<'a>, sent: Sent<'a>) -> Sent<'a> {
///         Box::pin(async move {
///             let began = std::time::Instant::now();
///             let outcome = sent.await;
///             println!("statement {}: {:?}", statement.index + 1, began.elapsed());
///             outcome
///         })
///     }
/// }
/// ```
pub trait StatementObserver: Sync {
    /// Runs a statement by awaiting `sent`, and returns its outcome. The session may be queried before and after; it has the
    /// search path and the role that the text has set.
    ///
    /// A statement may be observed twice: the first attempt fails if the statement cannot run in a transaction.
    fn observe<'a>(&'a self, statement: RunningStatement<'a>, sent: Sent<'a>) -> Sent<'a>;
}
