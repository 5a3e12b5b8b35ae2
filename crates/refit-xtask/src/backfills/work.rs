//! Runs backfills until they are complete and shows the progress.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use refit::{Error, Event, HeldStep, Migrator, Plan, StepKind, StepReport};
use refit_model::wording::{elapsed, span};
use refit_model::{MigrationSet, Version};
use serde::Serialize;

use super::live::Live;
use super::poller::{ObservedJob, StatusPoller};
use crate::context::Context;
use crate::database::connect_options;
use crate::interrupt::interrupted;
use crate::output::{BAD, GOOD, QUIET, WARN};
use crate::render::backfill::blocks;
use crate::styled::{Text, text};

/// The result of running backfills.
#[derive(Debug, Serialize)]
pub(crate) struct Worked {
    /// The backfills that were unfinished at the start.
    pub(crate) backfills: Vec<ObservedJob>,
    /// The steps that were applied when gates opened.
    pub(crate) applied: Vec<StepReport>,
    /// The steps that are still held.
    pub(crate) held: Vec<HeldStep>,
    /// Backfills whose migrations are not applied yet.
    pub(crate) pending: Vec<Named>,
    /// The backfills that failed.
    pub(crate) failures: Vec<Failure>,
    /// Whether a signal interrupted it.
    pub(crate) interrupted: bool,
    pub(crate) seconds: f64,
}

/// A backfill by name.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Named {
    pub(crate) version: Version,
    pub(crate) name: String,
}

/// Why a backfill is not complete.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Failure {
    pub(crate) version: Version,
    pub(crate) name: String,
    pub(crate) reason: String,
}

/// The backfills of a plan whose migrations are not applied yet.
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

/// Runs all backfills until they are complete or have failed, or a signal arrives.
///
/// # Errors
/// When the database cannot be reached or the like; a failed backfill is not an error here.
pub(crate) async fn work(migrator: &Migrator, url: &str, context: &Context) -> anyhow::Result<Worked> {
    let began = Instant::now();
    let mut failures = Vec::new();
    let work_on_all = async |migrator: &Migrator| work_on_all(migrator, url, &mut failures).await;
    let Observed { outcome, jobs, steps } =
        with_progress(migrator, url, context, ObservedJob::is_complete, work_on_all).await?;
    let interrupted = outcome.is_none();
    outcome.unwrap_or(Ok(())).context("the backfills stopped; the next run resumes them")?;
    let (held, pending) = if interrupted { Default::default() } else { still_waiting(migrator, url).await? };
    let seconds = began.elapsed().as_secs_f64();
    Ok(Worked { backfills: jobs, applied: steps, held, pending, failures, interrupted, seconds })
}

/// How long to wait for a canceled statement.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(10);

/// The result of an action, and what was observed while it ran.
pub(crate) struct Observed<T> {
    /// The action's result; none if a signal interrupted it.
    pub(crate) outcome: Option<T>,
    /// The backfills at the end.
    pub(crate) jobs: Vec<ObservedJob>,
    /// The steps that ran.
    pub(crate) steps: Vec<StepReport>,
}

/// Runs an action that works on backfills and shows their progress, except of those that `ignore` selects beforehand.
pub(crate) async fn with_progress<T>(
    migrator: &Migrator,
    url: &str,
    context: &Context,
    ignore: impl Fn(&ObservedJob) -> bool,
    act: impl AsyncFnOnce(&Migrator) -> T,
) -> anyhow::Result<Observed<T>> {
    let retention = Some(migrator.set()?.settings().undo_retention);
    let mut poller = StatusPoller::new(url, migrator.clone(), retention);
    let all = poller.poll().await?;
    let ignored = all.iter().filter(|job| ignore(job)).map(|job| job.status.id).collect();
    let mut live = Live::new(context.out, ignored);
    let (migrator, steps) = observed(migrator, &live);
    let outcome = {
        let mut working = pin!(act(&migrator));
        let showing = pin!(live.show(&mut poller));
        tokio::select! {
            outcome = &mut working => Some(outcome),
            never = showing => match never {},
            signal = interrupted() => {
                signal?;
                // Cancel the running step; the server rolls back uncommitted batches.
                context.interrupt.trigger();
                tokio::time::timeout(CANCEL_TIMEOUT, working).await.ok();
                None
            }
        }
    };
    let last = tokio::time::timeout(
        Duration::from_secs(2),
        StatusPoller::new(url, migrator.clone(), retention).poll(),
    )
    .await;
    if let Ok(Ok(all)) = last {
        live.update(all);
    }
    live.end();
    let steps = steps.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Observed { outcome, jobs: live.jobs, steps })
}

/// Shows and collects the steps that are applied when gates open: the error of a later backfill does not contain them.
fn observed(migrator: &Migrator, live: &Live) -> (Migrator, Arc<Mutex<Vec<StepReport>>>) {
    let applied = Arc::new(Mutex::new(Vec::new()));
    let (steps, say) = (applied.clone(), live.say());
    let migrator = migrator.clone().observe(move |event| match event {
        Event::StepApplied { report } => {
            let did = if report.kind == StepKind::Undo { "undone" } else { "applied" };
            say(text![GOOD.column(did, 10), format!("  {} ({})", report.stem, elapsed(report.duration))]);
            steps.lock().unwrap_or_else(PoisonError::into_inner).push((*report).clone());
        }
        Event::StepRetried { stem, attempts, blockers, .. } => {
            let by = if blockers.is_empty() { String::new() } else { format!(": {}", blockers.join("; ")) };
            say(text![WARN.column("blocked", 10), format!("  {stem}, attempt {attempts}{by}")]);
        }
        Event::JournalDropped { stem, journal } => {
            let why = format!("  {journal}: the undo journal of {stem}, whose retention has ended");
            say(text![QUIET.column("dropped", 10), why]);
        }
        Event::Notice { notice, stem: Some(stem) } => {
            let style = if notice.is_warning() { WARN } else { QUIET };
            let severity = style.column(notice.severity.to_lowercase(), 10);
            say(text![severity, format!("  {stem}: {}", notice.message)]);
        }
        Event::Waiting { holder, .. } => {
            say(text![WARN.of("waiting"), format!(" for another run: {holder}")]);
        }
        _ => {}
    });
    (migrator, applied)
}

/// Runs all backfills, also after one has failed.
async fn work_on_all(migrator: &Migrator, url: &str, failures: &mut Vec<Failure>) -> Result<(), Error> {
    loop {
        match migrator.run_backfills(url).await {
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

async fn still_waiting(migrator: &Migrator, url: &str) -> anyhow::Result<(Vec<HeldStep>, Vec<Named>)> {
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

    /// The summary for people: applied steps have already been shown.
    pub(crate) fn text(&self) -> Text {
        let mut lines = Vec::new();
        if !self.backfills.is_empty() {
            lines.push(blocks(&self.backfills));
        }
        for Failure { version, name, reason } in &self.failures {
            let has_error = |job: &ObservedJob| job.status.version == *version && job.status.error.is_some();
            // The job's own error is already part of its block.
            if !self.backfills.iter().any(has_error) {
                lines.push(text![BAD.of("stopped"), format!("  {name}: {reason}")]);
            }
        }
        lines.extend(
            self.held.iter().map(|step| text![WARN.of("held"), format!("  {}  ({})", step.stem, step.gate)]),
        );
        lines.extend(self.pending.iter().map(|Named { name, .. }| {
            text![WARN.of("pending"), format!("  {name}: apply its migration with `cargo xtask migrate`")]
        }));
        lines.push(match (self.interrupted, self.failures.len()) {
            (true, _) => text![
                WARN.of("stopped"),
                ": uncommitted batches are rolled back; resume with `cargo xtask backfill run`"
            ],
            (false, 0) if self.backfills.is_empty() => "no backfill is unfinished".into(),
            (false, 0) => format!("complete in {}", span(self.seconds)).into(),
            (false, 1) => BAD.of("1 backfill is not complete"),
            (false, several) => BAD.of(format!("{several} backfills are not complete")),
        });
        Text::lines(lines)
    }
}
