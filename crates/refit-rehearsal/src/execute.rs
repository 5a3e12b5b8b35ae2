//! Runs files as Refit does, statement by statement, and observes them.
//!
//! One session runs everything and is reset between files. A statement in a transaction is observed from within it. A
//! statement of a file without a transaction gets its own where possible, as in Refit; otherwise another session observes it.

use std::time::Instant;

use refit::Connection;
use refit_model::{Statement, StatementKind, split_statements};
use tokio_postgres::error::SqlState;

use crate::batches;
use crate::error::Error;
use crate::file::{File, in_order};
use crate::observe::{LockWatcher, Observation, Relations, compare};
use crate::rows::{self, LaterKeys, Tables};
use crate::session::{failure, runner, unsent};
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
    /// Whether a file may begin and end transactions; if false, that is a failure, as when Refit applies it.
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
    let mut session = Session::open(url, options).await?;
    let mut trace = Trace { postgres: version(&session.runner).await?, ..Trace::default() };
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
    session.close().await;
    Ok(trace)
}

/// Notes how many statements of a file follow the one that failed.
fn note_unreached(file: &File, trace: &mut Trace) {
    let Some(failed) = trace.failure() else { return };
    let all = split_statements(&file.text);
    let rest = all.iter().filter(|statement| statement.offset > failed.start).count();
    if file.traced && rest > 0 {
        let plural = if rest == 1 { "" } else { "s" };
        trace
            .skipped
            .push((file.path.clone(), format!("{rest} statement{plural} after the one that failed")));
    }
}

pub(crate) async fn version(client: &Connection) -> Result<String, Error> {
    let sql = "SELECT pg_catalog.split_part(pg_catalog.current_setting('server_version'), ' ', 1)";
    let rows = client.query_typed(sql, &[]).await.map_err(Error::database("reading the server's version"))?;
    Ok(rows.first().map_or_else(String::new, |row| row.get(0)))
}

pub(crate) struct Session<'a> {
    url: &'a str,
    runner: Connection,
    options: &'a Options,
}

/// A file that is running.
struct RunningFile<'f> {
    file: &'f File,
    /// The relations when the file started.
    begun_with: Relations,
    /// Whether a transaction is open.
    open: bool,
}

impl<'a> Session<'a> {
    pub(crate) async fn open(url: &'a str, options: &'a Options) -> Result<Session<'a>, Error> {
        Ok(Session { url, runner: runner(url).await?, options })
    }

    pub(crate) fn client(&self) -> &Connection {
        &self.runner
    }

    pub(crate) async fn close(self) {
        self.runner.close().await;
    }

    /// Runs a file as its directives require. `awaited`: whether a later file waits for this backfill.
    pub(crate) async fn file(&mut self, file: &File, awaited: bool) -> Result<Vec<StatementTrace>, Error> {
        let begun_with = match file.traced {
            true => Relations::read(&self.runner).await?,
            false => Relations::default(),
        };
        let traces = match &file.directives.backfill {
            Some(backfill) => {
                let at_most = if awaited { usize::MAX } else { self.options.batches };
                batches::run(&self.runner, file, backfill, at_most, &begun_with).await?
            }
            None => self.statements(file, begun_with).await?,
        };
        let failed = traces.iter().any(|statement| statement.failure.is_some());
        let reset = async {
            self.runner.batch_execute("ROLLBACK").await?;
            self.runner.batch_execute("DISCARD ALL").await
        };
        match reset.await {
            // A statement can end its own session: then it failed, and no statement follows.
            Err(_) if failed => Ok(traces),
            result => result.map(|()| traces).map_err(Error::database("resetting the session")),
        }
    }

    async fn statements(&mut self, file: &File, begun_with: Relations) -> Result<Vec<StatementTrace>, Error> {
        let mut running = RunningFile { file, begun_with, open: file.directives.transaction };
        if running.open {
            self.runner.batch_execute("BEGIN").await.map_err(Error::database("beginning a migration"))?;
        }
        let mut traces = Vec::new();
        let statements = split_statements(&file.text);
        for (index, statement) in statements.iter().enumerate() {
            let mut trace = begin(file, index, statement);
            self.statement(&mut running, statement, &mut trace).await?;
            let failed = trace.failure.is_some();
            traces.push(trace);
            if failed {
                return Ok(traces);
            }
        }
        if let (true, Some(last), Some(trace)) = (running.open, statements.last(), traces.last_mut()) {
            let end = if self.options.commit { "COMMIT" } else { "ROLLBACK" };
            let end = format!("SET CONSTRAINTS ALL IMMEDIATE; {end}");
            if let Err(error) = self.runner.batch_execute(&end).await {
                trace.failure = Some(failure(&error, last, &file.text));
            }
        }
        Ok(traces)
    }

    async fn statement(
        &mut self,
        running: &mut RunningFile<'_>,
        statement: &Statement<'_>,
        trace: &mut StatementTrace,
    ) -> Result<(), Error> {
        let at = statement.position(&running.file.text);
        match &statement.kind {
            StatementKind::CopyThroughClient => {
                let message =
                    "COPY FROM STDIN needs a client that sends the data; write the rows with INSERT";
                trace.failure = Some(unsent(at, message));
                Ok(())
            }
            StatementKind::TransactionControl if !self.options.transaction_control => {
                let message = "Refit rejects a migration that begins or ends transactions; remove BEGIN and COMMIT, Refit runs them";
                trace.failure = Some(unsent(at, message));
                Ok(())
            }
            StatementKind::TransactionControl => {
                self.unobserved(running, statement, trace).await;
                let first = statement.text.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
                running.open = matches!(first.as_str(), "BEGIN" | "START");
                Ok(())
            }
            _ if !running.file.traced && running.open => {
                self.unobserved(running, statement, trace).await;
                Ok(())
            }
            _ if running.open => self.in_transaction(running, statement, trace).await.map(drop),
            StatementKind::Session => {
                self.unobserved(running, statement, trace).await;
                Ok(())
            }
            StatementKind::Plain | StatementKind::Routine => {
                self.in_own_transaction(running, statement, trace).await
            }
            _ => self.outside_transaction(running, statement, trace).await,
        }
    }

    /// Runs a statement without observing it.
    async fn unobserved(
        &self,
        running: &RunningFile<'_>,
        statement: &Statement<'_>,
        trace: &mut StatementTrace,
    ) {
        let began = Instant::now();
        let result = self.runner.batch_execute(statement.text).await;
        trace.duration = began.elapsed();
        trace.failure = result.err().map(|error| failure(&error, statement, &running.file.text));
    }

    /// Runs a statement in the open transaction. Returns the SQLSTATE if it failed.
    async fn in_transaction(
        &self,
        running: &RunningFile<'_>,
        statement: &Statement<'_>,
        trace: &mut StatementTrace,
    ) -> Result<Option<SqlState>, Error> {
        let before = Observation::within(&self.runner).await?;
        let began = Instant::now();
        let result = self.runner.batch_execute(statement.text).await;
        trace.duration = began.elapsed();
        if let Err(error) = result {
            trace.failure = Some(failure(&error, statement, &running.file.text));
            return Ok(error.code().cloned());
        }
        let after = Observation::within(&self.runner).await?;
        compare(&self.runner, [&before, &after], &running.begun_with, statement.text, trace).await?;
        Ok(None)
    }

    /// Runs a statement in its own transaction, or without one if it cannot run in a transaction.
    async fn in_own_transaction(
        &mut self,
        running: &RunningFile<'_>,
        statement: &Statement<'_>,
        trace: &mut StatementTrace,
    ) -> Result<(), Error> {
        let command = async |sql: &str| {
            self.runner
                .batch_execute(sql)
                .await
                .map_err(Error::database("running a statement in its own transaction"))
        };
        command("BEGIN").await?;
        let refused = self.in_transaction(running, statement, trace).await?;
        if refused.is_some_and(|code| forbids_transaction(&code)) {
            command("ROLLBACK").await?;
            trace.failure = None;
            return self.outside_transaction(running, statement, trace).await;
        }
        if let (None, Err(error)) = (&trace.failure, self.runner.batch_execute("COMMIT").await) {
            trace.failure = Some(failure(&error, statement, &running.file.text));
        }
        Ok(())
    }

    /// Runs a statement without a transaction while another session observes it.
    async fn outside_transaction(
        &mut self,
        running: &RunningFile<'_>,
        statement: &Statement<'_>,
        trace: &mut StatementTrace,
    ) -> Result<(), Error> {
        trace.outside = true;
        if !running.file.traced {
            self.unobserved(running, statement, trace).await;
            return Ok(());
        }
        let before = Observation::between(&self.runner).await?;
        let watcher = LockWatcher::start(self.url, &before.relations, statement.text).await?;
        let (result, observed) = watcher.run(&self.runner, statement.text).await?;
        trace.duration = observed.duration;
        if let Err(error) = result {
            trace.failure = Some(failure(&error, statement, &running.file.text));
            return Ok(());
        }
        let mut after = Observation::between(&self.runner).await?;
        after.locks = observed.locks;
        compare(&self.runner, [&before, &after], &running.begun_with, statement.text, trace).await
    }
}

/// Whether the server rejected the statement because it ran in a transaction.
fn forbids_transaction(code: &SqlState) -> bool {
    *code == SqlState::INVALID_TRANSACTION_TERMINATION || *code == SqlState::ACTIVE_SQL_TRANSACTION
}

/// The empty trace of a statement that has not run yet.
pub(crate) fn begin(file: &File, index: usize, statement: &Statement<'_>) -> StatementTrace {
    let at = statement.position(&file.text);
    StatementTrace {
        path: file.path.clone(),
        statement: index + 1,
        start: statement.offset,
        end: statement.offset + statement.text.len(),
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
