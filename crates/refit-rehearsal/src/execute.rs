//! Running files as Refit does, step by step, and looking on.
//!
//! One session runs everything, put back between files. A statement of a transaction is looked at from within; one that runs
//! by itself is given a transaction where it may have one, as Refit does, and is watched from outside where not.

use std::time::Instant;

use refit::Connection;
use refit_model::{Statement, StatementKind, split_statements};
use tokio_postgres::error::SqlState;

use crate::batches;
use crate::error::Error;
use crate::file::{File, in_order};
use crate::observe::{Look, Relations, Watch, compare};
use crate::rows::{self, Later, Tables};
use crate::session::{failure, runner, unsent};
use crate::trace::{FileTrace, StatementTrace, Trace};

/// How to trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Rows that each table is given before the first traced file, and new ones before each further one; 0 for none.
    pub rows: u32,
    /// Whether files that are one transaction are committed; otherwise they are rolled back.
    pub commit: bool,
    /// Batches at most of a backfill for which no later file waits.
    pub batches: usize,
    /// Whether a file may begin and end transactions; otherwise that is a failure, as it is when Refit applies it.
    pub transaction_control: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { rows: 0, commit: true, batches: usize::MAX, transaction_control: false }
    }
}

/// Runs files in the order of the set on a database that is thrown away, and says what the traced ones did. It ends with the
/// first statement that fails.
///
/// # Errors
/// [`Error`] when the database cannot be reached or asked; what the files' own statements say is in the trace.
pub async fn trace(url: &str, files: &[File], options: &Options) -> Result<Trace, Error> {
    let mut tables = Tables::default();
    if options.rows > 0 {
        tables.later = Later::of(url, files).await?;
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
            unreached(file, &mut trace);
            break;
        }
    }
    for (file, _) in ordered.filter(|(file, _)| file.traced) {
        trace.skipped.push((file.path.clone(), "a statement before it failed".to_owned()));
    }
    session.close().await;
    Ok(trace)
}

/// Says how many statements of a file come behind the one that failed.
fn unreached(file: &File, trace: &mut Trace) {
    let Some(failed) = trace.failure() else { return };
    let all = split_statements(&file.text);
    let behind = all.iter().filter(|statement| statement.offset > failed.start).count();
    if file.traced && behind > 0 {
        let plural = if behind == 1 { "" } else { "s" };
        trace
            .skipped
            .push((file.path.clone(), format!("{behind} statement{plural} behind the one that failed")));
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

/// A file at work.
struct Work<'f> {
    file: &'f File,
    /// What was there when it began.
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

    /// Runs a file as its directives say. `awaited` is for a backfill.
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
        let put_back = async {
            self.runner.batch_execute("ROLLBACK").await?;
            self.runner.batch_execute("DISCARD ALL").await
        };
        match put_back.await {
            // A statement can end its own session: that is how it failed, and nothing runs after it.
            Err(_) if failed => Ok(traces),
            result => result.map(|()| traces).map_err(Error::database("putting the session back")),
        }
    }

    async fn statements(&mut self, file: &File, begun_with: Relations) -> Result<Vec<StatementTrace>, Error> {
        let mut work = Work { file, begun_with, open: file.directives.transaction };
        if work.open {
            self.runner.batch_execute("BEGIN").await.map_err(Error::database("beginning a migration"))?;
        }
        let mut traces = Vec::new();
        let statements = split_statements(&file.text);
        for (index, statement) in statements.iter().enumerate() {
            let mut trace = begin(file, index, statement);
            self.statement(&mut work, statement, &mut trace).await?;
            let failed = trace.failure.is_some();
            traces.push(trace);
            if failed {
                return Ok(traces);
            }
        }
        if let (true, Some(last), Some(trace)) = (work.open, statements.last(), traces.last_mut()) {
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
        work: &mut Work<'_>,
        statement: &Statement<'_>,
        trace: &mut StatementTrace,
    ) -> Result<(), Error> {
        let at = statement.position(&work.file.text);
        match &statement.kind {
            StatementKind::CopyThroughClient => {
                let message =
                    "COPY FROM STDIN needs a client that sends the data; write the rows with INSERT";
                trace.failure = Some(unsent(at, message));
                Ok(())
            }
            StatementKind::TransactionControl if !self.options.transaction_control => {
                let message = "a migration that begins or ends transactions is refused when it is applied; leave it to Refit";
                trace.failure = Some(unsent(at, message));
                Ok(())
            }
            StatementKind::TransactionControl => {
                self.plainly(work, statement, trace).await;
                let first = statement.text.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
                work.open = matches!(first.as_str(), "BEGIN" | "START");
                Ok(())
            }
            _ if !work.file.traced && work.open => {
                self.plainly(work, statement, trace).await;
                Ok(())
            }
            _ if work.open => self.within(work, statement, trace).await.map(drop),
            StatementKind::Session => {
                self.plainly(work, statement, trace).await;
                Ok(())
            }
            StatementKind::Plain | StatementKind::Routine => self.by_itself(work, statement, trace).await,
            _ => self.outside(work, statement, trace).await,
        }
    }

    /// Sends a statement and looks at nothing.
    async fn plainly(&self, work: &Work<'_>, statement: &Statement<'_>, trace: &mut StatementTrace) {
        let began = Instant::now();
        let result = self.runner.batch_execute(statement.text).await;
        trace.duration = began.elapsed();
        trace.failure = result.err().map(|error| failure(&error, statement, &work.file.text));
    }

    /// Sends a statement in the transaction that is open. What the server said when it failed.
    async fn within(
        &self,
        work: &Work<'_>,
        statement: &Statement<'_>,
        trace: &mut StatementTrace,
    ) -> Result<Option<SqlState>, Error> {
        let before = Look::within(&self.runner).await?;
        let began = Instant::now();
        let result = self.runner.batch_execute(statement.text).await;
        trace.duration = began.elapsed();
        if let Err(error) = result {
            trace.failure = Some(failure(&error, statement, &work.file.text));
            return Ok(error.code().cloned());
        }
        let after = Look::within(&self.runner).await?;
        compare(&self.runner, [&before, &after], &work.begun_with, statement.text, trace).await?;
        Ok(None)
    }

    /// A statement by itself: in a transaction of its own, unless it refuses one.
    async fn by_itself(
        &mut self,
        work: &Work<'_>,
        statement: &Statement<'_>,
        trace: &mut StatementTrace,
    ) -> Result<(), Error> {
        let command = async |sql: &str| {
            self.runner.batch_execute(sql).await.map_err(Error::database("running a statement by itself"))
        };
        command("BEGIN").await?;
        let refused = self.within(work, statement, trace).await?;
        if refused.is_some_and(|code| must_be_alone(&code)) {
            command("ROLLBACK").await?;
            trace.failure = None;
            return self.outside(work, statement, trace).await;
        }
        if let (None, Err(error)) = (&trace.failure, self.runner.batch_execute("COMMIT").await) {
            trace.failure = Some(failure(&error, statement, &work.file.text));
        }
        Ok(())
    }

    /// A statement without a transaction, watched from outside.
    async fn outside(
        &mut self,
        work: &Work<'_>,
        statement: &Statement<'_>,
        trace: &mut StatementTrace,
    ) -> Result<(), Error> {
        trace.outside = true;
        if !work.file.traced {
            self.plainly(work, statement, trace).await;
            return Ok(());
        }
        let before = Look::between(&self.runner).await?;
        let watch = Watch::start(self.url, &before.relations, statement.text).await?;
        let (result, seen) = watch.run(&self.runner, statement.text).await?;
        trace.duration = seen.duration;
        if let Err(error) = result {
            trace.failure = Some(failure(&error, statement, &work.file.text));
            return Ok(());
        }
        let mut after = Look::between(&self.runner).await?;
        after.locks = seen.locks;
        compare(&self.runner, [&before, &after], &work.begun_with, statement.text, trace).await
    }
}

/// Whether the statement was refused for the transaction around it.
fn must_be_alone(code: &SqlState) -> bool {
    *code == SqlState::INVALID_TRANSACTION_TERMINATION || *code == SqlState::ACTIVE_SQL_TRANSACTION
}

/// The trace of a statement before it runs.
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

/// Whether IF EXISTS or IF NOT EXISTS stands in a statement.
fn is_guarded(text: &str) -> bool {
    let tokens = refit_model::significant_tokens(text);
    let is = |at: usize, word: &str| tokens.get(at).is_some_and(|token| token.eq_ignore_ascii_case(word));
    (0..tokens.len())
        .any(|at| is(at, "IF") && (is(at + 1, "EXISTS") || is(at + 1, "NOT") && is(at + 2, "EXISTS")))
}
