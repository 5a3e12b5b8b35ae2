//! What a program attaches to runs: checks, backups, measurements, alerts.

use std::error::Error as StdError;
use std::fmt;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;

use refit_model::Version;
use tokio_postgres::Client;
use tracing::warn;

use crate::error::Error;
use crate::event::Event;
use crate::pin::require_no_transaction;
use crate::plan::StepKind;
use crate::report::StepReport;
use crate::state::State;

/// Why a hook stops a run: the source of [`Error::Hook`].
pub type HookError = Box<dyn StdError + Send + Sync>;

/// What a hook returns.
pub type HookFuture<'a> = Pin<Box<dyn Future<Output = Result<(), HookError>> + Send + 'a>>;

/// A run, as its hooks see it.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct HookRun<'a> {
    /// The session of the run, outside a transaction. It has Refit's own search path, `pg_catalog`: qualify names. Settings that
    /// a hook changes are restored when it returns, and temporary tables, prepared statements and locks do not outlive the next
    /// step: open a connection of your own for what has to.
    pub client: &'a Client,
    /// The environment.
    pub environment: &'a str,
    /// The release of the program, if it names one.
    pub release: Option<&'a str>,
    /// The run's identity in `refit.run`; none if there was nothing to do.
    pub run: Option<i64>,
    /// Whether the run rolls back.
    pub is_rollback: bool,
    /// The records of the run's history; none after a run.
    pub state: Option<&'a State>,
    /// SQL that restores the session's settings; none if the session is the caller's.
    pub(crate) restore: Option<&'a str>,
}

impl<'a> HookRun<'a> {
    /// A run after its end: the session has the caller's settings again.
    pub(crate) fn outside(
        client: &'a Client,
        of: (&'a str, Option<&'a str>),
        run: Option<i64>,
        is_rollback: bool,
    ) -> HookRun<'a> {
        let (environment, release) = of;
        HookRun { client, environment, release, run, state: None, is_rollback, restore: None }
    }
}

impl fmt::Debug for HookRun<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HookRun { environment, run, is_rollback, .. } = self;
        f.debug_struct("HookRun")
            .field("environment", environment)
            .field("run", run)
            .field("is_rollback", is_rollback)
            .finish_non_exhaustive()
    }
}

/// A step, as the hooks of its run see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HookStep<'a> {
    /// What it does.
    pub kind: StepKind,
    /// The version of its migration; none if that is repeatable.
    pub version: Option<Version>,
    /// The file name without `.sql`.
    pub stem: &'a str,
}

impl<'a> HookStep<'a> {
    pub(crate) fn new(kind: StepKind, version: Option<Version>, stem: &'a str) -> HookStep<'a> {
        HookStep { kind, version, stem }
    }
}

/// Called in the course of runs. Every method does nothing unless it is implemented.
///
/// Hooks are called in the order in which they were added, by [`Migrator::hook`](crate::Migrator::hook). An error stops the
/// run; steps that were applied before stay applied. Do not leave a transaction open: it is refused.
///
/// ```
/// use refit::{Hook, HookFuture, HookRun, HookStep};
///
/// /// Refuses to run a step while a backup is being made.
/// struct NoBackup;
///
/// impl Hook for NoBackup {
///     fn sees_steps(&self) -> bool {
///         true
///     }
///
///     fn before_step<'a>(&'a self, run: HookRun<'a>, step: HookStep<'a>) -> HookFuture<'a> {
///         Box::pin(async move {
///             let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_basebackup)";
///             match run.client.query_one(sql, &[]).await?.get(0) {
///                 true => Err(format!("a backup is running; apply {} later", step.stem).into()),
///                 false => Ok(()),
///             }
///         })
///     }
/// }
/// ```
pub trait Hook: Send + Sync {
    /// Whether [`before_step`](Hook::before_step) and [`after_step`](Hook::after_step) are to be called; asked once, when the hook
    /// is added. Each step is then sent when the one before has ended; without such a hook it is sent while that still runs.
    fn sees_steps(&self) -> bool {
        false
    }

    /// Whether the hook uses the session of the run ([`HookRun::client`]); asked once, when the hook is added. For one that does not,
    /// the session is not restored after each call, so it costs no round trip.
    fn uses_session(&self) -> bool {
        true
    }

    /// Whether [`before_run`](Hook::before_run) makes the backup that the environment requires (`backup` in its profile); asked once,
    /// when the hook is added. Without such a hook, a run that has something to do is refused there.
    fn makes_backups(&self) -> bool {
        false
    }

    /// Before the first step, under the lock, when the plan is made and there is something to do.
    fn before_run<'a>(&'a self, _run: HookRun<'a>, _steps: &'a [HookStep<'a>]) -> HookFuture<'a> {
        Box::pin(ready(Ok(())))
    }

    /// Before a step. It does not run if this fails. For a step that is undone, it is before its rows are restored.
    fn before_step<'a>(&'a self, _run: HookRun<'a>, _step: HookStep<'a>) -> HookFuture<'a> {
        Box::pin(ready(Ok(())))
    }

    /// After a step that succeeded.
    fn after_step<'a>(&'a self, _run: HookRun<'a>, _report: &'a StepReport) -> HookFuture<'a> {
        Box::pin(ready(Ok(())))
    }

    /// After all steps, and also when there was nothing to do. The session has the caller's search path again, and the lock is
    /// released. `warnings` becomes a part of the report.
    fn after_run<'a>(&'a self, _run: HookRun<'a>, _warnings: &'a mut Vec<String>) -> HookFuture<'a> {
        Box::pin(ready(Ok(())))
    }

    /// When [`run`](crate::Migrator::run), [`apply`](crate::Migrator::apply), [`rollback`](crate::Migrator::rollback) or
    /// [`run_backfills`](crate::Migrator::run_backfills) returns an error.
    fn failed(&self, _error: &Error) {}

    /// As [`failed`](Hook::failed), for what takes time: the error is returned once this is complete. It has no session. An error of
    /// its own is logged.
    fn after_failure<'a>(&'a self, _error: &'a Error) -> HookFuture<'a> {
        Box::pin(ready(Ok(())))
    }

    /// When something happens in a run or a backfill. It is called on a task that works for the run and must not block.
    fn event(&self, _event: &Event<'_>) {}
}

/// The hooks of a migrator.
#[derive(Clone, Default)]
pub(crate) struct Hooks(Vec<Entry>);

#[derive(Clone)]
struct Entry {
    hook: Arc<dyn Hook>,
    /// Whether it only has [`Hook::event`]; the others use the session.
    events_only: bool,
    sees_steps: bool,
    uses_session: bool,
    makes_backups: bool,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hooks({})", self.0.len())
    }
}

impl Hooks {
    pub(crate) fn add(&mut self, hook: impl Hook + 'static) {
        self.0.push(Entry {
            events_only: false,
            sees_steps: hook.sees_steps(),
            uses_session: hook.uses_session(),
            makes_backups: hook.makes_backups(),
            hook: Arc::new(hook),
        });
    }

    /// Adds a hook that has events only: for the others, the session is restored after each call.
    pub(crate) fn add_for_events(&mut self, hook: impl Hook + 'static) {
        let hook = Arc::new(hook);
        self.0.push(Entry {
            hook,
            events_only: true,
            sees_steps: false,
            uses_session: false,
            makes_backups: false,
        });
    }

    pub(crate) fn sees_steps(&self) -> bool {
        self.0.iter().any(|entry| entry.sees_steps)
    }

    pub(crate) fn make_backups(&self) -> bool {
        self.0.iter().any(|entry| entry.makes_backups)
    }

    pub(crate) fn event(&self, event: &Event<'_>) {
        self.0.iter().for_each(|entry| entry.hook.event(event));
    }

    /// Calls the hooks if an outcome is a failure, and returns it.
    pub(crate) async fn observed<T>(&self, outcome: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &outcome {
            self.0.iter().for_each(|entry| entry.hook.failed(error));
            for entry in self.with_runs() {
                if let Err(failure) = entry.hook.after_failure(error).await {
                    warn!("a hook failed after the failure of a run: {failure}");
                }
            }
        }
        outcome
    }

    fn with_runs(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter().filter(|entry| !entry.events_only)
    }

    fn with_steps(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter().filter(|entry| entry.sees_steps)
    }

    pub(crate) async fn before_run(&self, run: HookRun<'_>, steps: &[HookStep<'_>]) -> Result<(), Error> {
        for entry in self.with_runs() {
            entry.ended(run, "before the run", entry.hook.before_run(run, steps).await).await?;
        }
        Ok(())
    }

    pub(crate) async fn before_step(&self, run: HookRun<'_>, step: HookStep<'_>) -> Result<(), Error> {
        for entry in self.with_steps() {
            let outcome = entry.hook.before_step(run, step).await;
            entry.ended(run, &format!("before {}", step.stem), outcome).await?;
        }
        Ok(())
    }

    pub(crate) async fn after_step(&self, run: HookRun<'_>, report: &StepReport) -> Result<(), Error> {
        for entry in self.with_steps() {
            let outcome = entry.hook.after_step(run, report).await;
            entry.ended(run, &format!("after {}", report.stem), outcome).await?;
        }
        Ok(())
    }

    pub(crate) async fn after_run(&self, run: HookRun<'_>, warnings: &mut Vec<String>) -> Result<(), Error> {
        for entry in self.with_runs() {
            entry.ended(run, "after the run", entry.hook.after_run(run, warnings).await).await?;
        }
        Ok(())
    }
}

impl Entry {
    /// The outcome of a hook. If it had the session, settings that it changed are restored, and a transaction that it left open is
    /// rolled back and an error.
    async fn ended(&self, run: HookRun<'_>, at: &str, outcome: Result<(), HookError>) -> Result<(), Error> {
        let failure = |source: HookError| Error::Hook { at: at.to_owned(), source };
        if !self.uses_session {
            return outcome.map_err(failure);
        }
        let restore = match run.restore {
            Some(restore) => format!("SET SESSION AUTHORIZATION DEFAULT;RESET ALL;{restore}"),
            None => String::new(),
        };
        let idle = require_no_transaction(run.client, &restore).await;
        if idle.is_err() {
            run.client.batch_execute(&format!("ROLLBACK;{restore}")).await.ok();
        }
        outcome.map_err(failure)?;
        idle.map(drop).map_err(|error| failure(error.into()))
    }
}

/// A function that is called with events.
pub(crate) struct EventHook<F>(pub(crate) F);

impl<F: Fn(&Event<'_>) + Send + Sync> Hook for EventHook<F> {
    fn event(&self, event: &Event<'_>) {
        (self.0)(event);
    }
}
