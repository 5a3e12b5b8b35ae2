//! Runs files through Refit's executor, and observes their statements.
//!
//! One session runs everything. A statement in a transaction is observed from within it; a statement outside a transaction is
//! observed by another session.

use std::sync::Mutex;
use std::time::Instant;

use refit::{CheckResult, Connection, Executor, RunningStatement, Script, Sent, StatementObserver};
use refit_model::wording::counted;
use refit_model::{Statement, StatementKind, When, split_statements};

use crate::error::Error;
use crate::failure::failure_of;
use crate::file::{File, in_order};
use crate::observe::{LockWatcher, Observation, Relations, compare};
use crate::rows::{self, LaterKeys, Tables};
use crate::session::runner;
use crate::trace::{FileTrace, StatementTrace, Trace};

/// Options of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Number of rows to generate per table before the first traced file, and per new table before each later one; 0 for none.
    pub rows: u32,
    /// Whether files that are one transaction are committed; otherwise they are rolled back.
    pub commit: bool,
    /// Maximum number of batches of a backfill that no later file waits for.
    pub batches: usize,
    /// Whether a file that Refit rejects, for example because it ends transactions, runs as a client would run it; if false,
    /// that is a failure.
    pub transaction_control: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { rows: 0, commit: true, batches: usize::MAX, transaction_control: false }
    }
}

/// Runs files in the order of the set on a throw-away database and returns what the traced ones did. Stops at the first
/// statement that fails.
///
/// # Errors
/// [`Error`] when connecting to the database or querying it fails; failures of the files' statements are in the trace.
pub async fn trace(url: &str, files: &[File], options: &Options) -> Result<Trace, Error> {
    let mut tables = Tables::default();
    if options.rows > 0 {
        tables.later = LaterKeys::of(url, files).await?;
    }
    let runner = runner(url).await?;
    let session = Session::begin(url, &runner, options).await?;
    let mut trace = Trace { postgres: version(&runner).await?, ..Trace::default() };
    let mut ordered = in_order(files).into_iter();
    for (file, awaited) in ordered.by_ref() {
        if file.traced && options.rows > 0 {
            trace.rows.extend(rows::fill(url, options.rows, &mut tables).await?);
        }
        let statements = session.file(file, awaited).await?;
        let failed = statements.iter().any(|statement| statement.failure.is_some());
        if file.traced || failed {
            let transaction = file.directives.transaction && file.directives.backfill.is_none();
            let shown = |statement: &StatementTrace| file.traced || statement.failure.is_some();
            let statements = statements.into_iter().filter(shown).collect();
            trace.files.push(FileTrace { path: file.path.clone(), transaction, statements });
        }
        if failed {
            note_unreached(file, &mut trace);
            break;
        }
    }
    for (file, _) in ordered.filter(|(file, _)| file.traced) {
        trace.skipped.push((file.path.clone(), "an earlier statement failed".to_owned()));
    }
    session.end().await;
    runner.close().await;
    Ok(trace)
}

/// Notes how many statements of a file follow the one that failed.
fn note_unreached(file: &File, trace: &mut Trace) {
    let Some(failed) = trace.failure() else { return };
    let all = split_statements(&file.text);
    let rest = all.iter().filter(|statement| statement.offset > failed.start).count();
    if file.traced && rest > 0 {
        let reason = format!("{} after the one that failed", counted(rest, "statement"));
        trace.skipped.push((file.path.clone(), reason));
    }
}

pub(crate) async fn version(client: &Connection) -> Result<String, Error> {
    let sql = "SELECT pg_catalog.split_part(pg_catalog.current_setting('server_version'), ' ', 1)";
    let rows = client.query_typed(sql, &[]).await.map_err(Error::database("reading the server's version"))?;
    Ok(rows.first().map_or_else(String::new, |row| row.get(0)))
}

/// A session that runs files.
pub(crate) struct Session<'a> {
    url: &'a str,
    runner: &'a Connection,
    executor: Executor<'a>,
    options: &'a Options,
}

impl<'a> Session<'a> {
    pub(crate) async fn begin(
        url: &'a str,
        runner: &'a Connection,
        options: &'a Options,
    ) -> Result<Session<'a>, Error> {
        Ok(Session { url, runner, executor: Executor::begin(runner).await?, options })
    }

    pub(crate) async fn end(self) {
        self.executor.end().await;
    }

    /// Runs a file as its directives require. `awaited`: whether a later file waits for this backfill.
    pub(crate) async fn file(&self, file: &File, awaited: bool) -> Result<Vec<StatementTrace>, Error> {
        let statements = split_statements(&file.text);
        let begun_with = match file.traced {
            true => Relations::read(self.runner).await?,
            false => Relations::default(),
        };
        let observer = Observer {
            url: self.url,
            runner: self.runner,
            file,
            statements: &statements,
            begun_with,
            observed: Mutex::default(),
        };
        let mut script = Script::new(&file.path, &file.text, &file.directives);
        script.version = file.version;
        script.rolls_back = !self.options.commit;
        script.as_client = self.options.transaction_control;
        script.batches = if awaited { usize::MAX } else { self.options.batches };
        let outcome = self.executor.run(&script, Some(&observer)).await;
        let Observed { mut traces, error } = observer.observed.into_inner().unwrap_or_default();
        if let Some(error) = error {
            return Err(error);
        }
        if let Err(error) = outcome {
            let (failed, failure) = failure_of(error, &statements, &file.text)?;
            note_failure(file, &statements, &mut traces, failed, failure);
        }
        Ok(traces)
    }

    /// Runs the checks of a file that run at a time.
    pub(crate) async fn checks(&self, file: &File, when: When) -> Result<Vec<CheckResult>, Error> {
        let mut results = Vec::new();
        for check in file.checks.iter().filter(|check| check.when == when) {
            results.push(self.executor.check(check).await?);
        }
        Ok(results)
    }

    /// Runs a file as one message, where a run would, and returns its failure. Nothing is observed.
    pub(crate) async fn unobserved(&self, file: &File) -> Result<Option<crate::trace::Failure>, Error> {
        let script = Script::new(&file.path, &file.text, &file.directives);
        match self.executor.run(&script, None).await {
            Ok(()) => Ok(None),
            Err(error) => {
                let statements = split_statements(&file.text);
                Ok(Some(failure_of(error, &statements, &file.text)?.1))
            }
        }
    }
}

/// Adds a failure to the trace of its statement; to the last one if the transaction failed at its end.
fn note_failure(
    file: &File,
    statements: &[Statement<'_>],
    traces: &mut Vec<StatementTrace>,
    failed: Option<usize>,
    failure: crate::trace::Failure,
) {
    let index = failed.unwrap_or(traces.len().saturating_sub(1));
    if traces.iter().all(|trace| trace.statement != index + 1)
        && let Some(statement) = statements.get(index)
    {
        traces.push(begin(file, index, statement));
    }
    if let Some(trace) = traces.iter_mut().find(|trace| trace.statement == index + 1) {
        trace.failure = Some(failure);
    }
}

/// Observes the statements of one file.
struct Observer<'a> {
    url: &'a str,
    runner: &'a Connection,
    file: &'a File,
    statements: &'a [Statement<'a>],
    /// The relations when the file started.
    begun_with: Relations,
    observed: Mutex<Observed>,
}

#[derive(Default)]
struct Observed {
    traces: Vec<StatementTrace>,
    /// The first failure of the observation itself.
    error: Option<Error>,
}

impl StatementObserver for Observer<'_> {
    fn observe<'o>(&'o self, statement: RunningStatement<'o>, sent: Sent<'o>) -> Sent<'o> {
        Box::pin(async move {
            let mut trace = self.trace_of(&statement);
            let (outcome, observed) = match self.place(&statement) {
                Place::Within => self.within(&statement, sent, &mut trace).await,
                Place::Outside => self.outside(&statement, sent, &mut trace).await,
                Place::Unobserved => {
                    let began = Instant::now();
                    let outcome = sent.await;
                    trace.duration += began.elapsed();
                    (outcome, Ok(()))
                }
            };
            if outcome.is_ok() && statement.batch.is_some() {
                trace.batches = trace.batches.map(|batches| batches + 1);
            }
            self.keep(trace, observed);
            outcome
        })
    }
}

/// From where a statement is observed.
enum Place {
    Within,
    Outside,
    Unobserved,
}

type Outcome = (Result<(), tokio_postgres::Error>, Result<(), Error>);

impl Observer<'_> {
    fn place(&self, statement: &RunningStatement<'_>) -> Place {
        match statement.kind {
            _ if !self.file.traced => Place::Unobserved,
            StatementKind::TransactionControl => Place::Unobserved,
            _ if statement.in_transaction => Place::Within,
            StatementKind::Session => Place::Unobserved,
            _ => Place::Outside,
        }
    }

    /// The trace of the statement: that of its earlier batches, or a new one.
    fn trace_of(&self, statement: &RunningStatement<'_>) -> StatementTrace {
        let is_backfill = self.file.directives.backfill.is_some();
        let known = self.observed.lock().ok().and_then(|observed| {
            observed.traces.iter().find(|trace| trace.statement == statement.index + 1).cloned()
        });
        let mut trace = known
            .filter(|_| is_backfill)
            .unwrap_or_else(|| begin(self.file, statement.index, &self.statements[statement.index]));
        trace.outside = !statement.in_transaction;
        if is_backfill {
            trace.batches.get_or_insert(0);
        }
        trace
    }

    fn keep(&self, trace: StatementTrace, outcome: Result<(), Error>) {
        let Ok(mut observed) = self.observed.lock() else { return };
        if let Err(error) = outcome {
            observed.error.get_or_insert(error);
        }
        match observed.traces.iter_mut().find(|known| known.statement == trace.statement) {
            Some(known) => *known = trace,
            None => observed.traces.push(trace),
        }
    }

    /// Observes a statement in the open transaction.
    async fn within(
        &self,
        statement: &RunningStatement<'_>,
        sent: Sent<'_>,
        trace: &mut StatementTrace,
    ) -> Outcome {
        let before = Observation::within(self.runner).await;
        let began = Instant::now();
        let outcome = sent.await;
        trace.duration += began.elapsed();
        let observed = async {
            let before = before?;
            if outcome.is_ok() {
                let after = Observation::within(self.runner).await?;
                let observations = [&before, &after];
                compare(self.runner, observations, &self.begun_with, statement.text, trace).await?;
            }
            Ok(())
        };
        let observed = observed.await;
        (outcome, observed)
    }

    /// Observes a statement outside a transaction from another session.
    async fn outside(
        &self,
        statement: &RunningStatement<'_>,
        sent: Sent<'_>,
        trace: &mut StatementTrace,
    ) -> Outcome {
        let started = async {
            let before = Observation::between(self.runner).await?;
            let watcher = LockWatcher::start(self.url, &before.relations, statement.text).await?;
            Ok((before, watcher))
        };
        let (before, watcher) = match started.await {
            Ok(started) => started,
            Err(error) => return (sent.await, Err(error)),
        };
        let (outcome, watched) = watcher.run(self.runner, sent).await;
        let observed = async {
            let watched = watched?;
            trace.duration = watched.duration;
            if outcome.is_ok() {
                let mut after = Observation::between(self.runner).await?;
                after.locks = watched.locks;
                let observations = [&before, &after];
                compare(self.runner, observations, &self.begun_with, statement.text, trace).await?;
            }
            Ok(())
        };
        let observed = observed.await;
        (outcome, observed)
    }
}

/// The empty trace of a statement that has not run yet.
fn begin(file: &File, index: usize, statement: &Statement<'_>) -> StatementTrace {
    let at = file.text.position(statement.offset);
    StatementTrace {
        path: file.path.clone(),
        statement: index + 1,
        start: file.text.written_offset(statement.offset),
        end: file.text.written_offset(statement.offset + statement.text.len()),
        line: at.line,
        column: at.column,
        guarded: is_guarded(statement.text),
        ..StatementTrace::default()
    }
}

/// Whether a statement contains IF EXISTS or IF NOT EXISTS.
fn is_guarded(text: &str) -> bool {
    let tokens = refit_model::significant_tokens(text);
    let is = |at: usize, word: &str| tokens.get(at).is_some_and(|token| token.eq_ignore_ascii_case(word));
    (0..tokens.len())
        .any(|at| is(at, "IF") && (is(at + 1, "EXISTS") || is(at + 1, "NOT") && is(at + 2, "EXISTS")))
}
