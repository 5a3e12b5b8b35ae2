//! One step: a migration's text, run in one transaction with its history row, or statement by statement.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use refit_model::{Check, Migration, Repeatable, SqlText, Version, When};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tracing::warn;

use super::blockers;
use crate::error::Error;
use crate::event::Event;
use crate::exec::Down;
use crate::exec::failure::{Attempt, Remains};
use crate::exec::log::StepLog;
use crate::exec::opening::{Extent, Opening};
use crate::exec::pipeline::{self, Pipelined};
use crate::hook::{HookRun, HookStep, Hooks};
use crate::interrupt::{Canceler, Interrupt};
use crate::plan::StepKind;
use crate::preflight::Preflight;
use crate::queries::Queries;
use crate::report::{CheckResult, StepReport};
use crate::state::{State, StepRow};
use crate::statement_observer::StatementObserver;

/// What a step without SQL sends.
static NOTHING: SqlText = SqlText::empty();

/// The text of a step and its options.
#[derive(Debug, Clone)]
pub(crate) struct Step<'a> {
    pub(crate) kind: StepKind,
    pub(crate) version: Option<Version>,
    pub(crate) name: &'a str,
    pub(crate) stem: &'a str,
    pub(crate) path: &'a str,
    pub(crate) sql: &'a SqlText,
    /// The SQL that runs instead of the text: the registration of a backfill.
    pub(crate) instead: Option<String>,
    pub(crate) checksum: u64,
    pub(crate) transaction: bool,
    pub(crate) lock_timeout: Option<Duration>,
    /// The checks that run after it, if the run runs checks.
    pub(crate) checks: Vec<&'a Check>,
}

impl<'a> Step<'a> {
    pub(crate) fn versioned(migration: &'a Migration, state: &State) -> Step<'a> {
        let directives = &migration.directives;
        Step {
            kind: StepKind::Versioned,
            version: Some(migration.version),
            name: &migration.name,
            stem: &migration.stem,
            path: &migration.path,
            sql: &migration.sql,
            instead: directives
                .backfill
                .as_ref()
                .map(|backfill| crate::backfill::engine::registration(state, migration, backfill)),
            checksum: migration.checksum,
            transaction: directives.transaction,
            lock_timeout: directives.lock_timeout,
            // Those of a backfill hold when it is complete.
            checks: match directives.backfill {
                Some(_) => Vec::new(),
                None => migration.checks_when(When::After).collect(),
            },
        }
    }

    /// The step that undoes a migration: its down file, or no SQL if there is none to run.
    pub(crate) fn undo(migration: &'a Migration, down: Option<&'a Down>) -> Step<'a> {
        Step {
            kind: StepKind::Undo,
            version: Some(migration.version),
            name: &migration.name,
            stem: &migration.stem,
            path: down.map_or(&migration.path, |down| &down.path),
            sql: down.map_or(&NOTHING, |down| &down.sql),
            instead: None,
            checksum: down.map_or(0, |down| down.checksum),
            transaction: down.is_none_or(|down| down.transaction),
            lock_timeout: down.and_then(|down| down.lock_timeout),
            checks: Vec::new(),
        }
    }

    /// The name of its file, without the folder, which is that of the machine that compiled the set.
    pub(crate) fn file(&self) -> &'a str {
        self.path.rsplit(['/', '\\']).next().unwrap_or(self.path)
    }

    pub(crate) fn repeatable(repeatable: &'a Repeatable) -> Step<'a> {
        Step {
            kind: StepKind::Repeatable,
            version: None,
            name: &repeatable.name,
            stem: &repeatable.stem,
            path: &repeatable.path,
            sql: &repeatable.sql,
            instead: None,
            checksum: repeatable.checksum,
            transaction: repeatable.directives.transaction,
            lock_timeout: repeatable.directives.lock_timeout,
            checks: repeatable.checks_when(When::After).collect(),
        }
    }
}

/// Where and how steps run: the connection, the run, and the limits.
pub(crate) struct StepContext<'a> {
    pub(crate) client: &'a Client,
    pub(crate) hooks: &'a Hooks,
    /// The environment, and the release of the program.
    pub(crate) program: (&'a str, Option<&'a str>),
    pub(crate) facts: &'a Preflight,
    pub(crate) run: i64,
    /// The lock timeout of migrations that set none.
    pub(crate) lock_timeout: Duration,
    /// The most attempts at a step that cannot get its locks.
    pub(crate) lock_attempts: u32,
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) canceler: Canceler,
    /// The observer of the statements. With one, they are sent one by one, also those of a transaction.
    pub(crate) statements: Option<&'a dyn StatementObserver>,
    /// Whether a step that is one transaction is rolled back at the end, for rehearsals that only observe it.
    pub(crate) rolls_back: bool,
    /// Whether steps run their checks.
    pub(crate) checks: bool,
    pub(crate) log: StepLog,
}

impl StepContext<'_> {
    /// Runs a step to its end. `record` is the SQL that writes it to the history; `pipelined` is its first attempt, if it was
    /// already sent. If that attempt fails, the server rejects the message that `post` sent after it; `refused` waits for that
    /// before anything else is sent.
    pub(crate) async fn run(
        &self,
        step: &Step<'_>,
        record: &str,
        pipelined: Option<Pipelined>,
        refused: impl AsyncFnOnce(),
    ) -> Result<StepReport, Error> {
        let hooked = self.hook_run(step.kind == StepKind::Undo);
        // A rollback calls this hook before it restores rows.
        if step.kind != StepKind::Undo {
            self.hooks.before_step(hooked, HookStep::new(step.kind, step.version, step.stem)).await?;
        }
        let began = Instant::now();
        self.log.begin(step.stem);
        self.hooks.event(&Event::StepBegan { stem: step.stem });
        // A step that was sent ahead may have ended before its result is read: then the server's own measurement is longer.
        let mut checks = Vec::new();
        let outcome = match step.transaction {
            true => self.transactional(step, record, pipelined, refused, &mut checks).await,
            false => self.by_statement(step, record, &mut checks).await.map(|tries| (tries, Duration::ZERO)),
        };
        let (attempts, took) = self.checks_recorded(&checks, outcome).await?;
        let (lock_waits, notices) = self.log.take();
        let report = StepReport {
            kind: step.kind,
            stem: step.stem.to_owned(),
            duration: began.elapsed().max(took),
            attempts,
            statements: refit_model::split_statements(step.sql).len(),
            lock_waits,
            notices,
            checks,
        };
        self.hooks.event(&Event::StepApplied { report: &report });
        self.hooks.after_step(hooked, &report).await?;
        Ok(report)
    }

    /// The run, for its hooks.
    pub(crate) fn hook_run(&self, is_rollback: bool) -> HookRun<'_> {
        let (environment, release) = self.program;
        let (client, run, restore) = (self.client, Some(self.run), Some(&*self.facts.restore));
        let state = Some(&self.facts.state);
        HookRun { client, environment, release, run, state, is_rollback, restore }
    }

    /// Returns the number of attempts, and how long the last one took.
    async fn transactional(
        &self,
        step: &Step<'_>,
        record: &str,
        mut pipelined: Option<Pipelined>,
        refused: impl AsyncFnOnce(),
        checks: &mut Vec<CheckResult>,
    ) -> Result<(u32, Duration), Error> {
        let mut refused = Some(refused);
        let mut delays = self.delays();
        let mut attempts = 1;
        loop {
            let outcome = match (pipelined.take(), self.statements) {
                (Some(pipelined), _) => self.canceler.or_cancel(self.interrupt, pipelined.outcome()).await,
                (None, Some(_)) => self.transaction_in_parts(step, record, attempts).await.map(|()| None),
                (None, None) if self.runs_checks(step) => {
                    self.transaction_with_checks(step, record, attempts, checks).await?.map(|()| None)
                }
                (None, None) => {
                    let pipelined = self.post(step, record, attempts, None).await;
                    self.canceler.or_cancel(self.interrupt, pipelined.outcome()).await
                }
            };
            let failed = match outcome {
                Ok(took) => {
                    let took = took.and_then(|seconds| seconds.parse().ok());
                    let took = took.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                    return Ok((attempts, took.unwrap_or_default()));
                }
                Err(failed) => failed,
            };
            if failed.is_misread() && self.row(step, attempts).is_recorded(self.client).await {
                let reason = crate::error::describe(&failed.error);
                warn!(step = step.stem, reason, "applied, but cannot read the server's response");
                return Ok((attempts, Duration::ZERO));
            }
            if let Some(refused) = refused.take() {
                refused().await;
            }
            let failed = self.roll_back(step, failed).await;
            if self.interrupt.is_triggered() && !self.client.is_closed() {
                return Err(self.interrupted(step, attempts).await);
            }
            match self.pause_before_retry(step, &failed, attempts, &mut delays).await? {
                true => {
                    attempts += 1;
                    self.log.attempt(true);
                }
                false => {
                    let row = self.row(step, attempts);
                    return Err(self.failed(step, &row, failed, Remains::Nothing).await);
                }
            }
        }
    }

    /// Records a step that was rolled back because the run was interrupted; returns the error.
    async fn interrupted(&self, step: &Step<'_>, attempts: u32) -> Error {
        let error = Error::Interrupted {
            at: Some(step.stem.to_owned()),
            remains: "it was rolled back; run again to continue".to_owned(),
        };
        let row = self.row(step, attempts);
        let details = self.log.take_details();
        if let Err(unrecorded) = row.insert_failed(self.client, &error.message(), &details).await {
            warn!(error = unrecorded.message(), "could not record the interrupted step");
        }
        error
    }

    /// Sends a step's transaction as one message, without waiting for its result: one round trip, and nothing can run between its
    /// statements. With `after`, the step before may still be running; the server rejects the message unless that step was applied.
    pub(crate) async fn post(
        &self,
        step: &Step<'_>,
        record: &str,
        attempts: u32,
        after: Option<&str>,
    ) -> Pipelined {
        let lock_timeout = step.lock_timeout.unwrap_or(self.lock_timeout);
        let opening = Opening::transactional(step.stem, lock_timeout, self.facts, after);
        let text = step.instead.as_deref().unwrap_or(step.sql);
        let message = format!("{}{text}\n;{}", opening.sql, self.closing(step, record, attempts));
        Pipelined::send(self.client, &message, opening.extent(), self.log.of(step.stem)).await
    }

    /// The SQL after the text of a transaction.
    ///
    /// It restores the session before it writes the record, because the text may have changed the search path or the role. Deferred
    /// constraints are checked at the commit and may wait for locks, so the lock timeout of the text applies there too. Steps commit
    /// without waiting for the disk; the commit that closes the run waits, and makes all of them durable.
    pub(super) fn closing(&self, step: &Step<'_>, record: &str, attempts: u32) -> String {
        let lock_timeout = step.lock_timeout.unwrap_or(self.lock_timeout);
        format!(
            "SET SESSION AUTHORIZATION DEFAULT;RESET ALL;{}{}WITH record AS ({record}) {} \
             RETURNING pg_catalog.set_config('synchronous_commit', 'off', true),\
             pg_catalog.set_config('lock_timeout', '{}ms', true),{},{},\
             pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - pg_catalog.now());COMMIT",
            self.facts.restore,
            self.facts.clear_after(step.sql),
            self.row(step, attempts).insert_succeeded(),
            lock_timeout.as_millis(),
            pipeline::mark(step.stem),
            crate::lock::retake(self.facts),
        )
    }

    /// Sends a text of the migration, and cancels it if the run is interrupted.
    pub(crate) async fn send(&self, message: &str) -> Result<(), (tokio_postgres::Error, usize)> {
        self.canceler.or_cancel(self.interrupt, self.send_to_end(message)).await
    }

    /// The same without canceling it.
    pub(super) async fn send_to_end(&self, message: &str) -> Result<(), (tokio_postgres::Error, usize)> {
        let stem = self.log.stem();
        let sent = Pipelined::send(self.client, message, Extent::default(), self.log.of(&stem)).await;
        sent.outcome().await.map(drop).map_err(|failed| (failed.error, failed.completed))
    }

    /// Rolls a failed attempt back; if it failed for a lock, reads which sessions held the lock.
    async fn roll_back(&self, step: &Step<'_>, failed: Attempt) -> Attempt {
        let lock_timeout = step.lock_timeout.unwrap_or(self.lock_timeout);
        let blockers = match is_lock_failure(&failed.error) {
            true => blockers::of(self.client, step.sql, lock_timeout).await,
            false => Vec::new(),
        };
        self.clean_up(step.sql).await;
        Attempt { blockers, ..failed }
    }

    /// Rolls a failed transaction back, restores the session, and removes what the text `of` has prepared. This fails only if the
    /// connection is lost, which its next use reports.
    pub(crate) async fn clean_up(&self, of: &str) {
        let Preflight { restore, .. } = self.facts;
        let clear = self.facts.clear_after(of);
        let sql = format!("ROLLBACK;SET SESSION AUTHORIZATION DEFAULT;RESET ALL;{restore}{clear}");
        if let Err(error) = self.client.batch_execute_boxed(&sql).await {
            warn!(error = %crate::error::describe(&error), "could not reset the session");
        }
    }

    /// Whether to try again; if so, sleeps first.
    pub(crate) async fn pause_before_retry(
        &self,
        step: &Step<'_>,
        failed: &Attempt,
        attempts: u32,
        delays: &mut impl Iterator<Item = Duration>,
    ) -> Result<bool, Error> {
        if failed.in_opening() && failed.error.code() == Some(&SqlState::UNDEFINED_OBJECT) {
            return Err(Error::LockLost { step: step.stem.to_owned() });
        }
        if !is_lock_failure(&failed.error) {
            return Ok(false);
        }
        let delay = delays.next();
        let reason = crate::error::describe(&failed.error);
        self.log.blocked(reason.clone(), delay.unwrap_or_default(), &failed.blockers);
        let Some(delay) = delay else { return Ok(false) };
        warn!(step = step.stem, attempts, ?delay, blockers = ?failed.blockers, "{reason}; trying again");
        let retried = Event::StepRetried { stem: step.stem, attempts, delay, blockers: &failed.blockers };
        self.hooks.event(&retried);
        tokio::select! {
            () = tokio::time::sleep(delay) => Ok(true),
            () = self.interrupt.triggered() => Ok(false),
        }
    }

    /// The pauses between attempts, in which sessions that queued behind this one can proceed.
    pub(crate) fn delays(&self) -> impl Iterator<Item = Duration> + use<> {
        ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(250))
            .with_max_delay(Duration::from_secs(15))
            .with_factor(1.5)
            .with_jitter()
            .with_max_times(self.lock_attempts.saturating_sub(1) as usize)
            .build()
    }

    pub(crate) fn row<'s>(&'s self, step: &Step<'s>, attempts: u32) -> StepRow<'s> {
        StepRow {
            state: &self.facts.state,
            run: self.run,
            kind: step.kind,
            version: step.version,
            name: step.name,
            file: step.file(),
            checksum: step.checksum,
            attempts,
            // A first attempt may be sent while another step runs.
            lock_waits: if attempts > 1 { self.log.lock_waits() } else { None },
        }
    }

    /// Makes the error, and records it if the connection is still open.
    pub(crate) async fn failed(
        &self,
        step: &Step<'_>,
        row: &StepRow<'_>,
        failed: Attempt,
        remains: Remains,
    ) -> Error {
        let error = failed.into_error(step, row.attempts, remains);
        let details = self.log.take_details();
        if !self.client.is_closed()
            && let Err(unrecorded) = row.insert_failed(self.client, &error.message(), &details).await
        {
            warn!(error = unrecorded.message(), "could not record the failed step");
        }
        error
    }
}

/// Sends a simple query; returns an error with the number of statements that completed before it.
pub(crate) async fn send(client: &Client, message: &str) -> Result<(), (tokio_postgres::Error, usize)> {
    let pipelined = Pipelined::send(client, message, Extent::default(), None).await;
    pipelined.outcome().await.map(drop).map_err(|failed| (failed.error, failed.completed))
}

pub(crate) fn is_lock_failure(error: &tokio_postgres::Error) -> bool {
    matches!(error.code(), Some(code) if *code == SqlState::LOCK_NOT_AVAILABLE || *code == SqlState::T_R_DEADLOCK_DETECTED)
}
