//! What a program attaches to runs: checks, backups, measurements, alerts.

use std::error::Error as StdError;
use std::fmt;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;

use refit_model::Version;
use tokio_postgres::Client;

use crate::error::Error;
use crate::event::Event;
use crate::pin::require_no_transaction;
use crate::plan::StepKind;
use crate::report::StepReport;

/// Why a hook stops a run. An [`Error`] of this crate is returned by the run as it is, every other one as [`Error::Hook`].
pub type HookError = Box<dyn StdError + Send + Sync>;

/// What a hook returns.
pub type HookFuture<'a> = Pin<Box<dyn Future<Output = Result<(), HookError>> + Send + 'a>>;

/// A run, as its hooks see it.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct HookRun<'a> {
    /// The session of the run, outside a transaction. It has Refit's own search path, `pg_catalog`: qualify names.
    pub client: &'a Client,
    /// The environment.
    pub environment: &'a str,
    /// Whether the run rolls back.
    pub is_rollback: bool,
}

impl fmt::Debug for HookRun<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HookRun { environment, is_rollback, .. } = self;
        f.debug_struct("HookRun")
            .field("environment", environment)
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
    /// Whether [`before_step`](Hook::before_step) and [`after_step`](Hook::after_step) are to be called. Each step is then sent
    /// when the one before has ended; without such a hook it is sent while that still runs.
    fn sees_steps(&self) -> bool {
        false
    }

    /// Before the first step, under the lock, when the plan is made and there is something to do.
    fn before_run<'a>(&'a self, _run: HookRun<'a>, _steps: &'a [HookStep<'a>]) -> HookFuture<'a> {
        Box::pin(ready(Ok(())))
    }

    /// Before a step. It does not run if this fails.
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

    /// When a run has failed.
    fn failed(&self, _error: &Error) {}

    /// When something happens in a run or a backfill. It is called on the run's task and must not block.
    fn event(&self, _event: &Event<'_>) {}
}

/// The hooks of a migrator.
#[derive(Clone, Default)]
pub(crate) struct Hooks(Vec<Arc<dyn Hook>>);

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hooks({})", self.0.len())
    }
}

impl Hooks {
    pub(crate) fn add(&mut self, hook: impl Hook + 'static) {
        self.0.push(Arc::new(hook));
    }

    pub(crate) fn sees_steps(&self) -> bool {
        self.0.iter().any(|hook| hook.sees_steps())
    }

    pub(crate) fn event(&self, event: &Event<'_>) {
        self.0.iter().for_each(|hook| hook.event(event));
    }

    pub(crate) fn failed(&self, error: &Error) {
        self.0.iter().for_each(|hook| hook.failed(error));
    }

    pub(crate) async fn before_run(&self, run: HookRun<'_>, steps: &[HookStep<'_>]) -> Result<(), Error> {
        for hook in &self.0 {
            ended(run, "before the run", hook.before_run(run, steps).await).await?;
        }
        Ok(())
    }

    pub(crate) async fn before_step(&self, run: HookRun<'_>, step: HookStep<'_>) -> Result<(), Error> {
        for hook in self.0.iter().filter(|hook| hook.sees_steps()) {
            ended(run, &format!("before {}", step.stem), hook.before_step(run, step).await).await?;
        }
        Ok(())
    }

    pub(crate) async fn after_step(&self, run: HookRun<'_>, report: &StepReport) -> Result<(), Error> {
        for hook in self.0.iter().filter(|hook| hook.sees_steps()) {
            ended(run, &format!("after {}", report.stem), hook.after_step(run, report).await).await?;
        }
        Ok(())
    }

    pub(crate) async fn after_run(&self, run: HookRun<'_>, warnings: &mut Vec<String>) -> Result<(), Error> {
        for hook in &self.0 {
            hook.after_run(run, warnings).await.map_err(|error| failure("after the run", error))?;
        }
        Ok(())
    }
}

/// The outcome of a hook that ran on the session of a run.
async fn ended(run: HookRun<'_>, at: &str, outcome: Result<(), HookError>) -> Result<(), Error> {
    let idle = require_no_transaction(run.client, "").await;
    if idle.is_err() {
        run.client.batch_execute("ROLLBACK").await.ok();
    }
    outcome.map_err(|error| failure(at, error))?;
    idle.map(drop)
}

/// The error of a run that a hook stopped.
pub(crate) fn failure(at: &str, error: HookError) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => *error,
        Err(source) => Error::Hook { at: at.to_owned(), source },
    }
}

/// A function that is called with events.
pub(crate) struct EventHook<F>(pub(crate) F);

impl<F: Fn(&Event<'_>) + Send + Sync> Hook for EventHook<F> {
    fn event(&self, event: &Event<'_>) {
        (self.0)(event);
    }
}
