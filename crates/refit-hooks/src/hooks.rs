//! The hooks of `refit.toml`, attached to a run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use refit::{Error, Event, Hook, HookFuture, HookRun, HookStep};
use refit_model::wording::{counted, elapsed};
use refit_model::{HookEvent, MigrationSet};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::warn;

use crate::call::Call;
use crate::message::{About, Held, Late, Message, Step};

/// A hook of `refit.toml` that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("refit.toml, hook {number}: {reason}")]
pub struct HookConfigError {
    number: usize,
    reason: String,
}

/// The hooks of a set. A clone shares its state.
#[derive(Clone)]
pub struct ConfiguredHooks(Arc<Inner>);

struct Inner {
    calls: Arc<Vec<Call>>,
    /// How long migrations should take, by stem.
    expected: HashMap<String, Duration>,
    current: Arc<Mutex<Current>>,
}

/// The current run.
#[derive(Default)]
struct Current {
    about: About,
    has_begun: bool,
    steps: Vec<Step>,
    held: Vec<Held>,
    /// Dropped when the step ends.
    watch: Option<oneshot::Sender<()>>,
    watches: Vec<JoinHandle<()>>,
    warnings: Vec<String>,
}

impl std::fmt::Debug for ConfiguredHooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ConfiguredHooks({})", self.0.calls.len())
    }
}

impl ConfiguredHooks {
    /// The hooks that the set's `refit.toml` lists, with their secrets from environment variables; none if it lists none.
    ///
    /// ```
    /// # fn example(set: &refit::model::MigrationSet) -> Result<(), refit_hooks::HookConfigError> {
    /// if let Some(hooks) = refit_hooks::ConfiguredHooks::from_env(set)? {
    ///     println!("{hooks:?}");
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If an address is malformed, or an environment variable that a hook names is not set.
    pub fn from_env(set: &MigrationSet) -> Result<Option<ConfiguredHooks>, HookConfigError> {
        let variable = |name: &str| std::env::var(name).ok();
        let hooks = set.settings().hook.iter().enumerate();
        let call = |(index, settings)| {
            Call::new(settings, variable).map_err(|reason| HookConfigError { number: index + 1, reason })
        };
        let calls: Vec<Call> = hooks.map(call).collect::<Result<_, _>>()?;
        let expected = set.migrations().iter().filter_map(|migration| {
            let doc = migration.doc.as_ref()?;
            Some((migration.stem.clone(), refit_model::expected_duration(&doc.text)?))
        });
        let inner = Inner { calls: Arc::new(calls), expected: expected.collect(), current: Arc::default() };
        Ok((!inner.calls.is_empty()).then(|| ConfiguredHooks(Arc::new(inner))))
    }

    /// Takes the failures of hooks that are not in the report of a run, because they came after it: those of `failure` and `late`.
    ///
    /// ```
    /// # fn example(hooks: &refit_hooks::ConfiguredHooks) {
    /// for warning in hooks.take_warnings() {
    ///     eprintln!("{warning}");
    /// }
    /// # }
    /// ```
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.current().warnings)
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the hooks of an event, one after the other. All run, also if one fails.
    ///
    /// # Errors
    /// The failure of the first required hook. The others become warnings.
    async fn call(&self, message: &Message) -> Result<(), String> {
        let mut failure = None;
        for call in self.0.calls.iter().filter(|call| call.is_on(message.event)) {
            let Err(error) = call.run(message).await else { continue };
            match call.required && failure.is_none() {
                true => failure = Some(error),
                false => self.warn(error),
            }
        }
        failure.map_or(Ok(()), Err)
    }

    fn warn(&self, warning: String) {
        warn!("{warning}");
        self.current().warnings.push(warning);
    }

    /// Begins to watch a step that should not take longer than this.
    fn watch(&self, stem: &str, expected: Duration) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let text = format!(
            "{stem} has been running for longer than the {} that its description expects",
            elapsed(expected)
        );
        let mut message = self.current().about.message(HookEvent::Late, text);
        message.late = Some(Late { stem: stem.to_owned(), expected_seconds: expected.as_secs_f64() });
        let (watch, ended) = oneshot::channel::<()>();
        let hooks = self.clone();
        let task = runtime.spawn(async move {
            tokio::select! {
                _ = ended => return,
                () = tokio::time::sleep(expected) => {}
            }
            if let Err(failure) = hooks.call(&message).await {
                hooks.warn(failure);
            }
        });
        let mut current = self.current();
        current.watch = Some(watch);
        current.watches.retain(|task| !task.is_finished());
        current.watches.push(task);
    }

    /// Ends the watch over the current step, and waits for late hooks that are running; they end at their limit.
    async fn end_watches(&self) {
        let watches = {
            let mut current = self.current();
            current.watch = None;
            std::mem::take(&mut current.watches)
        };
        for watch in watches {
            watch.await.ok();
        }
    }
}

impl Hook for ConfiguredHooks {
    fn uses_session(&self) -> bool {
        false
    }

    fn before_run<'a>(&'a self, run: HookRun<'a>, steps: &'a [HookStep<'a>]) -> HookFuture<'a> {
        Box::pin(async move {
            let message = {
                let mut current = self.current();
                let environment = Some(run.environment.to_owned());
                let release = run.release.map(str::to_owned);
                let about = About { environment, release, run: run.run, is_rollback: run.is_rollback };
                *current = Current { about, has_begun: true, ..Current::default() };
                let text = format!("{} starts: {}", current.about.subject(), counted(steps.len(), "step"));
                current.about.message(HookEvent::Start, text)
            };
            let pending = steps.iter().map(|step| step.stem.to_owned()).collect();
            Ok(self.call(&Message { pending, ..message }).await?)
        })
    }

    fn after_run<'a>(&'a self, _run: HookRun<'a>, warnings: &'a mut Vec<String>) -> HookFuture<'a> {
        Box::pin(async move {
            self.end_watches().await;
            let messages = {
                let mut current = self.current();
                // There was nothing to do.
                if !std::mem::take(&mut current.has_begun) {
                    return Ok(());
                }
                let subject = current.about.subject();
                let text = format!("{subject} succeeded: {}", counted(current.steps.len(), "step"));
                let mut messages = vec![current.about.message(HookEvent::Success, text)];
                if !current.held.is_empty() {
                    let held = counted(current.held.len(), "migration");
                    let text = format!("{subject} holds {held} back");
                    messages.push(current.about.message(HookEvent::Gate, text));
                }
                current.about.run = None;
                let (steps, held) = (current.steps.clone(), current.held.clone());
                messages.into_iter().map(move |message| Message {
                    steps: steps.clone(),
                    held: held.clone(),
                    ..message
                })
            };
            let mut outcome = Ok(());
            for message in messages {
                outcome = outcome.and(self.call(&message).await);
            }
            warnings.extend(self.take_warnings());
            Ok(outcome?)
        })
    }

    fn after_failure<'a>(&'a self, error: &'a Error) -> HookFuture<'a> {
        Box::pin(async move {
            self.end_watches().await;
            let message = {
                let mut current = self.current();
                current.has_begun = false;
                let error = error.message();
                let text = format!("{} failed: {error}", current.about.subject());
                let message = current.about.message(HookEvent::Failure, text);
                current.about.run = None;
                Message { steps: std::mem::take(&mut current.steps), error: Some(error), ..message }
            };
            if let Err(failure) = self.call(&message).await {
                self.warn(failure);
            }
            Ok(())
        })
    }

    fn event(&self, event: &Event<'_>) {
        match event {
            Event::StepBegan { stem } => {
                if let Some(expected) = self.0.expected.get(*stem) {
                    self.watch(stem, *expected);
                }
            }
            Event::StepApplied { report } => {
                let mut current = self.current();
                current.watch = None;
                let (stem, seconds) = (report.stem.clone(), report.duration.as_secs_f64());
                current.steps.push(Step { stem, seconds, attempts: report.attempts });
            }
            Event::Held { step } => {
                let held = Held { stem: step.stem.clone(), reason: step.gate.to_string() };
                self.current().held.push(held);
            }
            _ => {}
        }
    }
}
