//! Runs migrations on a throw-away database as a run does, for rehearsals.
//!
//! It is the executor of a run, on a session that has the lock, and with a state of its own in [`REHEARSAL_SCHEMA`]. What it
//! runs enters no history.

use std::time::Duration;

use refit_model::{Check, Directives, SqlText, Statement, Version, split_statements};
use tokio_postgres::Client;

use crate::backfill::engine::job::Job;
use crate::backfill::engine::trial::{TrialError, trial};
use crate::check::{self, Surroundings};
use crate::error::Error;
use crate::exec::{Attempt, Remains, Step, StepContext, StepLog, can_run};
use crate::hook::Hooks;
use crate::interrupt::Canceler;
use crate::lock::{LockWait, Waited, release};
use crate::options::Options;
use crate::plan::StepKind;
use crate::preflight::Preflight;
use crate::prepare::prepare;
use crate::queries::Queries;
use crate::report::CheckResult;
use crate::state::{Component, RunBegin, RunEnd, begin_run, end_run};
use crate::statement_observer::StatementObserver;

/// The schema of an [`Executor`]'s state. A rehearsal leaves it out of what it observes.
pub const REHEARSAL_SCHEMA: &str = "refit_rehearsal";

/// What enters the history: nothing.
const RECORD: &str = "SELECT";

/// A file that an [`Executor`] runs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Script<'a> {
    /// Its path, for errors.
    pub path: &'a str,
    /// Its text.
    pub text: &'a SqlText,
    /// Its front matter.
    pub directives: &'a Directives,
    /// Its version, if it has one.
    pub version: Option<Version>,
    /// Whether a file that is one transaction is rolled back in the end.
    pub rolls_back: bool,
    /// Whether a text that a run rejects, for example because it contains COMMIT, runs as a client would run it.
    pub as_client: bool,
    /// The maximum number of batches, if it is a backfill.
    pub batches: usize,
}

impl<'a> Script<'a> {
    /// A file that runs as a run would run it: committed, with all batches.
    pub fn new(path: &'a str, text: &'a SqlText, directives: &'a Directives) -> Script<'a> {
        Script {
            path,
            text,
            directives,
            version: None,
            rolls_back: false,
            as_client: false,
            batches: usize::MAX,
        }
    }

    fn step(&self) -> Step<'a> {
        let stem = self.path.rsplit('/').next().unwrap_or(self.path).trim_end_matches(".sql");
        let named = refinery_core::Migration::unapplied("V0__rehearsed", self.text.written());
        Step {
            kind: StepKind::Repeatable,
            version: None,
            name: self.path,
            stem,
            path: self.path,
            sql: self.text,
            instead: None,
            checksum: named.map_or(0, |named| named.checksum()),
            transaction: self.directives.transaction,
            // Only the sessions of the rehearsal hold locks, and they release them.
            lock_timeout: Some(Duration::ZERO),
            checks: Vec::new(),
        }
    }
}

/// Runs migrations on a throw-away database as a run does, and lets an observer see each statement.
///
/// The session belongs to the executor until [`Executor::end`].
///
/// ```no_run
/// # async fn example(url: &str) -> Result<(), refit::Error> {
/// let connection = refit::connect(url, &refit::ConnectOptions::default()).await?;
/// let executor = refit::Executor::begin(&connection).await?;
/// let directives = refit::model::Directives::default();
/// let text = refit::model::SqlText::from("CREATE TABLE t (id bigint);");
/// executor.run(&refit::Script::new("V0001__t.sql", &text, &directives), None).await?;
/// executor.end().await;
/// # Ok(())
/// # }
/// ```
pub struct Executor<'a> {
    client: &'a Client,
    facts: Preflight,
    options: Options,
    run: i64,
}

impl<'a> Executor<'a> {
    /// Prepares a session: the lock, and the state in [`REHEARSAL_SCHEMA`].
    ///
    /// # Errors
    /// [`Error`] if the session is one that a run would refuse, or the database cannot be prepared.
    pub async fn begin(client: &'a Client) -> Result<Executor<'a>, Error> {
        let create = format!(
            "BEGIN;SET LOCAL client_min_messages = warning;CREATE SCHEMA IF NOT EXISTS {REHEARSAL_SCHEMA};COMMIT"
        );
        client
            .batch_execute_boxed(&create)
            .await
            .map_err(Error::database("creating the schema of a rehearsal"))?;
        let schema = Some(REHEARSAL_SCHEMA.to_owned());
        let options = Options {
            environment: "rehearsal".to_owned(),
            history_schema: schema.clone(),
            state_schema: schema,
            lock_attempts: 1,
            hooks: Hooks::default(),
            ..Options::default()
        };
        let mut facts = Preflight::read(client, &options).await?;
        match Executor::prepared(client, &mut facts, &options).await {
            Ok(run) => Ok(Executor { client, facts, options, run }),
            Err(error) => {
                release(client, &facts).await;
                Err(error)
            }
        }
    }

    async fn prepared(client: &Client, facts: &mut Preflight, options: &Options) -> Result<i64, Error> {
        let state = facts.state.clone();
        let mut wait = LockWait::new(facts.lock, &state, options);
        while let Waited::NotYet = wait.poll(client).await? {}
        prepare(client, facts, &[Component::Runs], &options.interrupt).await?;
        let begin = RunBegin {
            environment: &options.environment,
            release: options.release.as_deref(),
            planned: 0,
            waited: Duration::ZERO,
            overridden: None,
        };
        begin_run(client, &facts.state, begin).await
    }

    /// Runs a file.
    ///
    /// # Errors
    /// [`Error::Statement`] with the statement that failed; other variants if a run would refuse the file, or if a query of
    /// Refit's own failed.
    pub async fn run(
        &self,
        script: &Script<'_>,
        observer: Option<&dyn StatementObserver>,
    ) -> Result<(), Error> {
        let step = script.step();
        if script.directives.backfill.is_some() {
            return self.backfill(script, &step, observer).await;
        }
        let context = StepContext {
            client: self.client,
            hooks: &self.options.hooks,
            program: self.options.program(),
            facts: &self.facts,
            run: self.run,
            lock_timeout: Duration::ZERO,
            lock_attempts: self.options.lock_attempts,
            interrupt: &self.options.interrupt,
            canceler: Canceler::new(self.client, None),
            statements: observer,
            rolls_back: script.rolls_back,
            checks: false,
            log: StepLog::default(),
        };
        match can_run(script.path, script.text, step.transaction) {
            Err(Error::TransactionControl { .. } | Error::CannotResume { .. }) if script.as_client => {
                context.as_client(&step).await
            }
            Err(error) => Err(error),
            Ok(()) => context.run(&step, RECORD, None, async || ()).await.map(drop),
        }
    }

    /// Runs a check, outside of files.
    ///
    /// # Errors
    /// When the session is lost.
    pub async fn check(&self, check: &Check) -> Result<CheckResult, Error> {
        check::run(self.client, check, &Surroundings::of_run(&self.facts.caller.search_path)).await
    }

    /// Runs the batches of a backfill.
    async fn backfill(
        &self,
        script: &Script<'_>,
        step: &Step<'_>,
        observer: Option<&dyn StatementObserver>,
    ) -> Result<(), Error> {
        let statements: Vec<Statement<'_>> = split_statements(script.text);
        let Some(directive) = script.directives.backfill.clone().filter(|_| !statements.is_empty()) else {
            // A function of the program does the work.
            return Ok(());
        };
        let version = script.version.unwrap_or_default();
        let state = &self.facts.state;
        let path = &self.facts.caller.search_path;
        let job = Job::unregistered(state, path, (version, step.stem), script.text, directive);
        let refused = job.clone();
        trial(self.client, job, script.batches, observer).await.map_err(|error| match error {
            TrialError::Refused(reason) => refused.failure(reason),
            TrialError::Statement(index, error) => {
                let attempt = Attempt::of_statement(error, None);
                attempt.into_error(step, 1, Remains::Statements { failed: index })
            }
            TrialError::Own(error) => error,
        })
    }

    /// Releases the session. A failure is logged and not returned.
    pub async fn end(self) {
        if let Err(error) =
            end_run(self.client, &self.facts.state, self.run, Ok(()), &RunEnd::default()).await
        {
            tracing::warn!("cannot close the run of a rehearsal: {}", error.message());
        }
        release(self.client, &self.facts).await;
    }
}
