//! Working on backfills to their end, shown as it happens.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use refit::{Error, Event, HeldStep, Migrator, Plan, StepKind, StepReport};
use refit_model::{MigrationSet, Version};
use serde::Serialize;

use super::live::Live;
use super::poller::{ObservedJob, StatusPoller};
use super::render::blocks;
use crate::context::Context;
use crate::database::connect_options;
use crate::interrupt::interrupted;
use crate::output::{BAD, GOOD, QUIET, WAITS};
use crate::render::figures::span;

/// How the work came out.
#[derive(Debug, Serialize)]
pub(crate) struct Worked {
    /// The backfills that were not complete when it began.
    pub(crate) backfills: Vec<ObservedJob>,
    /// What was applied when gates opened.
    pub(crate) applied: Vec<StepReport>,
    /// What is still held back.
    pub(crate) held: Vec<HeldStep>,
    /// Backfills whose migrations are not applied.
    pub(crate) pending: Vec<Named>,
    /// Those that did not come to their end.
    pub(crate) failures: Vec<Failure>,
    /// Whether somebody stopped it.
    pub(crate) interrupted: bool,
    pub(crate) seconds: f64,
}

/// A backfill by name.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Named {
    pub(crate) version: Version,
    pub(crate) name: String,
}

/// Why a backfill did not come to its end.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Failure {
    pub(crate) version: Version,
    pub(crate) name: String,
    pub(crate) reason: String,
}

/// The backfills of a plan that are not applied.
pub(crate) fn not_applied(plan: &Plan, set: &MigrationSet) -> Vec<Named> {
    let pending = plan.pending.iter().filter(|step| step.backfill);
    let pending =
        pending.filter_map(|step| step.version.map(|version| Named { version, name: step.stem.clone() }));
    let held = plan.held.iter().filter_map(|step| {
        let migration = set.migration(step.version?)?;
        migration.directives.backfill.as_ref()?;
        Some(Named { version: migration.version, name: step.stem.clone() })
    });
    pending.chain(held).collect()
}

/// Works on all backfills until they are complete, or have failed, or somebody stops it.
///
/// # Errors
/// What kept it from working; a backfill that fails is no error here.
pub(crate) async fn work(migrator: &Migrator, url: &str, context: &Context) -> anyhow::Result<Worked> {
    let began = Instant::now();
    let mut failures = Vec::new();
    let to_the_end = async |migrator: &Migrator| to_the_end(migrator, url, &mut failures).await;
    let Sight { outcome, seen, steps } =
        in_sight(migrator, url, context, ObservedJob::is_complete, to_the_end).await?;
    let interrupted = outcome.is_none();
    outcome.unwrap_or(Ok(())).context("the work was interrupted; the next run resumes it")?;
    let (held, pending) = if interrupted { Default::default() } else { waiting(migrator, url).await? };
    let seconds = began.elapsed().as_secs_f64();
    Ok(Worked { backfills: seen, applied: steps, held, pending, failures, interrupted, seconds })
}

/// For how long a canceled statement is waited for.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// What was seen of something that works on backfills.
pub(crate) struct Sight<T> {
    /// How it came out; none when somebody stopped it.
    pub(crate) outcome: Option<T>,
    /// The backfills as they stood in the end.
    pub(crate) seen: Vec<ObservedJob>,
    /// The steps that ran meanwhile.
    pub(crate) steps: Vec<StepReport>,
}

/// Does something that works on backfills, and shows how they go. Of those that are `old` beforehand nothing is said.
pub(crate) async fn in_sight<T>(
    migrator: &Migrator,
    url: &str,
    context: &Context,
    old: impl Fn(&ObservedJob) -> bool,
    act: impl AsyncFnOnce(&Migrator) -> T,
) -> anyhow::Result<Sight<T>> {
    let retention = Some(migrator.set()?.settings().undo_retention);
    let mut poller = StatusPoller::new(url, migrator.clone(), retention);
    let all = poller.look().await?;
    let old = all.iter().filter(|seen| old(seen)).map(|seen| seen.status.id).collect();
    let mut live = Live::new(context.out, old);
    let (migrator, steps) = observed(migrator, &live);
    let outcome = {
        let mut working = pin!(act(&migrator));
        let showing = pin!(live.show(&mut poller));
        tokio::select! {
            outcome = &mut working => Some(outcome),
            never = showing => match never {},
            signal = interrupted() => {
                signal?;
                // The step that runs is canceled; the batches at hand are rolled back by the server.
                context.interrupt.trigger();
                tokio::time::timeout(LAST_WORDS, working).await.ok();
                None
            }
        }
    };
    let last = tokio::time::timeout(
        Duration::from_secs(2),
        StatusPoller::new(url, migrator.clone(), retention).look(),
    )
    .await;
    if let Ok(Ok(all)) = last {
        live.see(all);
    }
    live.end();
    let steps = steps.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Sight { outcome, seen: live.seen, steps })
}

/// Shows what is applied when gates open, and remembers it: an error of a later backfill does not carry it.
fn observed(migrator: &Migrator, live: &Live) -> (Migrator, Arc<Mutex<Vec<StepReport>>>) {
    let applied = Arc::new(Mutex::new(Vec::new()));
    let (steps, say) = (applied.clone(), live.say());
    let migrator = migrator.clone().observe(move |event| match event {
        Event::StepApplied { report } => {
            let milliseconds = report.duration.as_secs_f64() * 1e3;
            let did = if report.kind == StepKind::Undo { "undone" } else { "applied" };
            say(format!("{GOOD}{did:<10}{GOOD:#}  {} ({milliseconds:.1} ms)", report.stem));
            steps.lock().unwrap_or_else(PoisonError::into_inner).push((*report).clone());
        }
        Event::StepRetried { stem, attempts, blockers, .. } => {
            let by = if blockers.is_empty() { String::new() } else { format!(": {}", blockers.join("; ")) };
            say(format!("{WAITS}{:<10}{WAITS:#}  {stem}, attempt {attempts}{by}", "blocked"));
        }
        Event::JournalDropped { stem, journal } => {
            say(format!(
                "{QUIET}{:<10}{QUIET:#}  {journal}: the undo journal of {stem}, whose time is over",
                "dropped"
            ));
        }
        Event::Waiting { holder, .. } => say(format!("{WAITS}waiting{WAITS:#} for another run: {holder}")),
        _ => {}
    });
    (migrator, applied)
}

/// One that fails does not keep the others from their end.
async fn to_the_end(migrator: &Migrator, url: &str, failures: &mut Vec<Failure>) -> Result<(), Error> {
    loop {
        match migrator.work(url).await {
            Ok(_) => return Ok(()),
            Err(Error::Backfill { version, stem, reason }) => {
                let again = failures.iter().any(|failure| failure.version == version);
                if !again {
                    failures.push(Failure { version, name: stem, reason });
                }
                if again || !others_may_run(migrator, url, failures).await? {
                    return Ok(());
                }
            }
            Err(error) => return Err(error),
        }
    }
}

async fn others_may_run(migrator: &Migrator, url: &str, failures: &[Failure]) -> Result<bool, Error> {
    let connection = refit::connect(url, &connect_options()).await?;
    let state = migrator.state(&connection).await?;
    let all = refit::backfill::JobStatus::all(&connection, &state).await?;
    connection.close().await;
    let failed = |version| failures.iter().any(|failure| failure.version == version);
    let seen = all.into_iter().map(|status| ObservedJob { status, sessions: 0, journal_kept_until: None });
    Ok(seen.into_iter().any(|seen| seen.is_runnable() && !failed(seen.status.version)))
}

async fn waiting(migrator: &Migrator, url: &str) -> anyhow::Result<(Vec<HeldStep>, Vec<Named>)> {
    let connection = refit::connect(url, &connect_options()).await?;
    let plan = migrator.plan(&connection).await?;
    connection.close().await;
    let pending = not_applied(&plan, migrator.set()?);
    Ok((plan.held, pending))
}

impl Worked {
    /// Whether nothing is left to do.
    pub(crate) fn is_complete(&self) -> bool {
        self.failures.is_empty() && !self.interrupted && self.pending.is_empty()
    }

    /// What is left to say for people: steps were shown as they were applied.
    pub(crate) fn text(&self) -> String {
        let mut lines = Vec::new();
        if !self.backfills.is_empty() {
            lines.push(blocks(&self.backfills));
        }
        for Failure { version, name, reason } in &self.failures {
            let told = |seen: &ObservedJob| seen.status.version == *version && seen.status.error.is_some();
            // Where the job itself says it, it has been said.
            if !self.backfills.iter().any(told) {
                lines.push(format!("{BAD}stopped{BAD:#}  {name}: {reason}"));
            }
        }
        lines.extend(
            self.held.iter().map(|step| format!("{WAITS}held{WAITS:#}  {}  ({})", step.stem, step.gate)),
        );
        lines.extend(self.pending.iter().map(|Named { name, .. }| {
            format!("{WAITS}pending{WAITS:#}  {name}: apply its migration with `cargo xtask migrate`")
        }));
        lines.push(match (self.interrupted, self.failures.len()) {
            (true, _) => format!(
                "{WAITS}stopped{WAITS:#}: batches that were not committed are rolled back; resume with `cargo xtask backfill run`"
            ),
            (false, 0) if self.backfills.is_empty() => "no backfill is unfinished".to_owned(),
            (false, 0) => format!("complete in {}", span(self.seconds)),
            (false, 1) => format!("{BAD}1 backfill is not complete{BAD:#}"),
            (false, several) => format!("{BAD}{several} backfills are not complete{BAD:#}"),
        });
        lines.join("\n")
    }
}
