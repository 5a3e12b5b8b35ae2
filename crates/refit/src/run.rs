//! A run with something to do: reads the facts of the session, takes the lock, plans again, runs the steps, ends the run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use refinery_core::Runner;
use refit_model::{Check, MigrationFile, MigrationSet, SetStep, When};
use tokio_postgres::Client;
use tracing::{debug, info};

use crate::backfill::engine::{can_begin, register_again};
use crate::budget::{Measured, over};
use crate::check::{self, Occasion, Surroundings};
use crate::environment::admit;
use crate::error::{Error, may_wait};
use crate::event::Event;
use crate::exec::{Step, StepContext, StepLog, can_run, record_checkpoint, record_repeatable};
use crate::history::{self, HistoryState};
use crate::hold::{hold, may_be_held};
use crate::hook::HookStep;
use crate::interrupt::Canceler;
use crate::lock::{LockWait, Waited, release};
use crate::options::Budgets;
use crate::plan::{Gate, HeldStep, Plan, PlannedStep, StepKind};
use crate::planner::Planner;
use crate::preflight::Preflight;
use crate::report::{BudgetResult, Report};
use crate::session::Session;
use crate::state::{self, Component, RunEnd};

/// Applies `plan`, or what is left of it once this run holds the lock.
pub(crate) async fn run(
    planner: &Planner,
    client: &Client,
    plan: &Plan,
    began: Instant,
) -> Result<Report, Error> {
    let set = Arc::clone(planner.set()?);
    refuse_what_cannot_run(&set, plan)?;
    let names: Vec<_> = plan.pending.iter().map(|step| (step.version, step.stem.clone())).collect();
    let outcome = match Preflight::read(client, &planner.options).await {
        Ok(mut facts) => {
            let outcome = match facts.require_writable(&names, "pending") {
                Ok(()) => match admitted(planner, client, &set, plan).await {
                    Ok(()) => waiting(planner, client, &mut facts, &set, began).boxed().await,
                    Err(error) => Err(error),
                },
                Err(error) => Err(error),
            };
            let outcome = crate::rights::explained(client, &facts, outcome).await;
            release(client, &facts).await;
            outcome
        }
        Err(error) => Err(error),
    };
    match outcome {
        // There is nothing to apply, and a later session that may write Refit's records will write them.
        Err(error) if plan.pending.is_empty() && may_wait(&error) => {
            debug!("Refit's records were not updated: {}", error.message());
            Ok(planner.nothing_to_do(Some(plan.clone()), began))
        }
        outcome => outcome,
    }
}

/// Refuses at once what the environment does not admit, instead of after waiting for the lock. The run itself decides.
async fn admitted(planner: &Planner, client: &Client, set: &MigrationSet, plan: &Plan) -> Result<(), Error> {
    match plan.pending.is_empty() {
        true => Ok(()),
        false => admit(client, &planner.options, set, &plan.pending).await.map(drop),
    }
}

/// Waits for the lock, then runs.
async fn waiting(
    planner: &Planner,
    client: &Client,
    facts: &mut Preflight,
    set: &MigrationSet,
    began: Instant,
) -> Result<Report, Error> {
    let state = facts.state.clone();
    let mut wait = LockWait::new(facts.lock, &state, &planner.options);
    let mut waited = Duration::ZERO;
    while let Waited::NotYet = wait.poll(client).await? {
        waited = wait.elapsed();
        // The other run may have applied everything; then there is nothing to wait for.
        if let Some(report) = applied_by_another_run(planner, client, facts, began).await? {
            return Ok(Report { waited, ..report });
        }
    }
    let report = locked(planner, client, facts, set, began, waited).boxed().await?;
    Ok(Report { waited, duration: began.elapsed(), ..report })
}

/// The context in which a run's steps run.
pub(crate) fn context<'a>(
    planner: &'a Planner,
    client: &'a Client,
    facts: &'a Preflight,
    set: &MigrationSet,
    run: i64,
) -> StepContext<'a> {
    StepContext {
        client,
        hooks: &planner.options.hooks,
        program: planner.options.program(),
        facts,
        run,
        lock_timeout: planner.options.lock_timeout.unwrap_or(set.settings().lock_timeout),
        lock_attempts: planner.options.lock_attempts,
        interrupt: &planner.options.interrupt,
        canceler: Canceler::new(client, planner.options.target.as_ref()),
        statements: None,
        rolls_back: false,
        checks: planner.options.runs_checks(),
        log: StepLog::new(planner.options.notices.clone()),
    }
}

async fn applied_by_another_run(
    planner: &Planner,
    client: &Client,
    facts: &Preflight,
    began: Instant,
) -> Result<Option<Report>, Error> {
    let plan = match planner.history_state_pinned(client, facts).await? {
        HistoryState::Same => return Ok(Some(planner.nothing_to_do(None, began))),
        HistoryState::Different(history) => planner.plan_for(&history)?,
    };
    if !plan.refusals.is_empty() {
        return Err(Error::Refused(plan.refusals));
    }
    Ok((!plan.needs_run()).then(|| planner.nothing_to_do(Some(plan), began)))
}

/// The plan under the lock; `None` if there is nothing to do.
async fn plan_again(planner: &Planner, client: &Client, facts: &Preflight) -> Result<Option<Plan>, Error> {
    let plan = match planner.history_state_pinned(client, facts).await? {
        HistoryState::Same => return Ok(None),
        HistoryState::Different(history) => planner.plan_for(&history)?,
    };
    match plan.refusals.is_empty() {
        true => Ok(Some(plan)),
        false => Err(Error::Refused(plan.refusals)),
    }
}

/// The part that runs under the lock, while no other session changes the history.
async fn locked(
    planner: &Planner,
    client: &Client,
    facts: &mut Preflight,
    set: &MigrationSet,
    began: Instant,
    waited: Duration,
) -> Result<Report, Error> {
    let Some(mut plan) = plan_again(planner, client, facts).await? else {
        return Ok(planner.nothing_to_do(None, began));
    };
    if !plan.needs_run() {
        return Ok(planner.nothing_to_do(Some(plan), began));
    }
    crate::prepare::prepare(client, facts, &Component::of(set), &planner.options.interrupt).boxed().await?;
    if plan.outdated {
        match plan_again(planner, client, facts).await? {
            Some(upgraded) => plan = upgraded,
            None => return Ok(planner.nothing_to_do(None, began)),
        }
    }
    for version in &plan.reregister {
        register_again(client, (&facts.state, &facts.caller.search_path), set, *version).await?;
        plan.warnings
            .push(format!("version {version} has no backfill job on record: its backfill runs again"));
    }
    if plan.pending.is_empty() {
        return Ok(planner.nothing_to_do(Some(plan), began));
    }
    let report = pending(planner, client, facts, set, plan, waited).boxed().await?;
    Ok(Report { duration: began.elapsed(), ..report })
}

async fn pending(
    planner: &Planner,
    client: &Client,
    facts: &Preflight,
    set: &MigrationSet,
    mut plan: Plan,
    waited: Duration,
) -> Result<Report, Error> {
    let admission = admit(client, &planner.options, set, &plan.pending).await?;
    let begun = plan.begins_with(set).map(|checkpoint| checkpoint.version);
    let versions = plan.pending.iter().filter_map(|step| step.version).chain(begun);
    history::widen(client, facts, versions).await?;
    let begin = state::RunBegin {
        environment: &plan.environment,
        release: planner.options.release.as_deref(),
        planned: plan.pending.len(),
        waited,
        overridden: admission.overridden.as_ref(),
    };
    let run = state::begin_run(client, &facts.state, begin).await?;
    info!(run, pending = plan.pending.len(), "applying migrations");
    planner.options.hooks.event(&Event::Began { steps: plan.pending.len() });
    let context = context(planner, client, facts, set, run);
    let versioned = plan.pending.iter().filter_map(|step| versioned_step(set, step, facts));
    let mut session = Session::new(context, versioned, admission.deadline);
    let mut budgets = Vec::new();
    let outcome = match ready(&session, planner, facts, set, &plan).await {
        Ok(warnings) => {
            plan.warnings.extend(warnings);
            let measured = (planner.options.budgets(), &mut budgets);
            measured_steps(&mut session, &mut plan, set, facts, measured).boxed().await
        }
        Err(error) => Err(error),
    };
    let done = session.done;
    plan.warnings.extend(done.iter().flat_map(|step| check::warnings(&step.checks)));
    let end = RunEnd::of(&done, &plan.held, &plan.warnings).with_budgets(&budgets);
    state::end_run(client, &facts.state, run, outcome, &end).await?;
    state::expire_runs(client, &facts.state, set.settings().retention).await;
    if set.checks().next().is_some() {
        state::expire_check_results(client, &facts.state, set.settings().retention).await;
    }
    plan.held.iter().for_each(|step| planner.options.hooks.event(&Event::Held { step }));
    let newest = done.iter().filter_map(|step| refit_model::version_of(&step.stem)).max();
    Ok(Report {
        run: Some(run),
        environment: plan.environment,
        version: newest.max(begun).max(plan.current),
        steps: done,
        backfills: Vec::new(),
        held: plan.held,
        budgets,
        warnings: plan.warnings,
        overridden: admission.overridden,
        duration: Duration::ZERO,
        waited: Duration::ZERO,
    })
}

/// The checks that pending migrations require beforehand.
fn checks_before<'s>(set: &'s MigrationSet, plan: &Plan) -> Vec<&'s Check> {
    let steps = plan.pending.iter().filter_map(|step| set.step(step.version, &step.stem));
    steps.flat_map(|step| step.file().checks_when(When::Before)).collect()
}

/// Runs the checks that pending migrations require beforehand, then calls the hooks of the run: no backup is made for a run that a
/// check refuses. Returns what the checks warn of.
async fn ready(
    session: &Session<'_>,
    planner: &Planner,
    facts: &Preflight,
    set: &MigrationSet,
    plan: &Plan,
) -> Result<Vec<String>, Error> {
    let warnings = match planner.options.runs_checks() {
        true => passed_checks(session, planner, facts, checks_before(set, plan)).await?,
        false => Vec::new(),
    };
    let steps = plan.pending.iter().map(|step| HookStep::new(step.kind, step.version, &step.stem));
    let steps: Vec<HookStep<'_>> = steps.collect();
    planner.options.hooks.before_run(session.context().hook_run(false), &steps).await?;
    Ok(warnings)
}

async fn passed_checks(
    session: &Session<'_>,
    planner: &Planner,
    facts: &Preflight,
    checks: Vec<&Check>,
) -> Result<Vec<String>, Error> {
    let context = session.context();
    let surroundings = Surroundings::of_run(&facts.caller.search_path);
    let mut results = Vec::new();
    for check in checks {
        let result = check::run(context.client, check, &surroundings).await?;
        planner.options.hooks.event(&Event::Checked { result: &result });
        results.push(result);
    }
    check::record(context.client, &facts.state, Some(context.run), Occasion::Before, &results).await?;
    let failed = check::failures(&results);
    match failed.is_empty() {
        true => Ok(check::warnings(&results).collect()),
        false => Err(Error::Checks { at: "before the run".to_owned(), failed }),
    }
}

/// Runs the steps, and measures budgets before and after, if the run is to do so; the results are also there if it fails for them.
async fn measured_steps<'a>(
    session: &mut Session<'a>,
    plan: &mut Plan,
    set: &'a MigrationSet,
    facts: &Preflight,
    (budgets, results): (Budgets, &mut Vec<BudgetResult>),
) -> Result<(), Error> {
    if budgets == Budgets::Off {
        return steps(session, plan, set, facts).await;
    }
    let client = session.context().client;
    let before = Measured::before(client, set.budgets(), &facts.caller).await?;
    steps(session, plan, set, facts).await?;
    *results = before.after(client).await?;
    let over = over(results);
    match budgets {
        Budgets::Enforce if !over.is_empty() => Err(Error::Budgets { over }),
        _ => {
            plan.warnings.extend(over.iter().map(|line| format!("over budget: {line}")));
            Ok(())
        }
    }
}

async fn steps<'a>(
    session: &mut Session<'a>,
    plan: &mut Plan,
    set: &'a MigrationSet,
    facts: &Preflight,
) -> Result<(), Error> {
    if let Some(checkpoint) = plan.begins_with(set) {
        let step = Step::checkpoint(checkpoint);
        let ran = session.run(&step, &record_checkpoint(checkpoint, set, facts)).await;
        ran.map_err(|_| failure_of(session))?;
    }
    let versioned: Vec<Step<'a>> =
        plan.pending.iter().filter_map(|step| versioned_step(set, step, facts)).collect();
    let end = session.done.len() + versioned.len();
    if let Err(error) = versioned_steps(session, &versioned, facts).await {
        let at = session.done.len();
        let failed = plan.pending.get(at).cloned();
        let Some(failed) = failed.filter(|_| may_be_held(plan, &error)) else { return Err(error) };
        hold(plan, &failed, &error);
        let waits = failed.version.map(|version| Gate::After { version });
        for step in plan.pending.get(at + 1..end).unwrap_or_default() {
            let (version, stem) = (step.version, step.stem.clone());
            plan.held.extend(waits.clone().map(|gate| HeldStep { version, stem, gate }));
        }
    }
    for planned in plan.pending.clone().iter().filter(|step| step.kind == StepKind::Repeatable) {
        let Some(repeatable) = set.repeatable(&planned.stem) else { continue };
        let step = Step::repeatable(repeatable);
        if session.run(&step, &record_repeatable(&step, facts)).await.is_err() {
            let error = failure_of(session);
            if !may_be_held(plan, &error) {
                return Err(error);
            }
            hold(plan, planned, &error);
        }
    }
    Ok(())
}

/// The error of a step that failed.
fn failure_of(session: &mut Session<'_>) -> Error {
    session.failure.take().unwrap_or_else(|| Error::Internal("a step failed without an error".to_owned()))
}

async fn versioned_steps<'a>(
    session: &mut Session<'a>,
    versioned: &[Step<'a>],
    facts: &Preflight,
) -> Result<(), Error> {
    let migrations: Result<Vec<_>, _> = versioned
        .iter()
        .map(|step| refinery_core::Migration::unapplied(step.stem, step.sql.written()))
        .collect();
    let migrations = migrations.map_err(|error| Error::Internal(error.to_string()))?;
    // The plan has applied the policies; the runner sees pending migrations only, so it has no reason to abort.
    let mut runner = Runner::new(&migrations).set_abort_divergent(false).set_abort_missing(false);
    runner.set_migration_table_name(&facts.history_table);
    let outcome = runner.run_async(session).await.map_err(|error| error.to_string());
    let settled = session.settle().await.map_err(|error| error.to_string());
    match outcome.map(drop).and(settled) {
        Ok(()) => Ok(()),
        Err(error) => Err(session.failure.take().unwrap_or(Error::Internal(error))),
    }
}

fn versioned_step<'a>(set: &'a MigrationSet, step: &PlannedStep, facts: &Preflight) -> Option<Step<'a>> {
    set.migration(step.version?).map(|migration| Step::versioned(migration, &facts.state))
}

/// Rejects, before anything runs, statements that would make a step not atomic, not resumable, or wait forever.
pub(crate) fn refuse_what_cannot_run(set: &MigrationSet, plan: &Plan) -> Result<(), Error> {
    for planned in &plan.pending {
        let Some(step) = set.step(planned.version, &planned.stem) else { continue };
        if let SetStep::Versioned(migration) = step {
            can_begin(migration)?;
        }
        let MigrationFile { path, sql, .. } = step.file();
        can_run(path, sql, planned.transaction)?;
    }
    Ok(())
}
