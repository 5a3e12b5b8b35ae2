//! A run with something to do: facts, lock, plan again, steps, end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use refinery::Runner;
use refit_model::{MigrationSet, StatementKind, Version};
use tokio_postgres::Client;
use tracing::info;

use crate::error::Error;
use crate::event::Event;
use crate::history::Glance;
use crate::lock::{LockWait, Waited, release};
use crate::migrator::Migrator;
use crate::plan::{Plan, PlannedStep, StepKind};
use crate::preflight::Preflight;
use crate::report::Report;
use crate::session::Session;
use crate::state::{self, Needs};
use crate::step::{Stage, Step};

/// Applies `plan`, or what is left of it once the lock is ours.
pub(crate) async fn run(
    migrator: &Migrator,
    client: &Client,
    plan: &Plan,
    began: Instant,
) -> Result<Report, Error> {
    let set = Arc::clone(migrator.set()?);
    refuse_what_cannot_run(&set, plan)?;
    let names: Vec<_> = plan.pending.iter().map(|step| (step.version, step.stem.clone())).collect();
    let facts = facts(migrator, client, &names, "pending").await?;
    let mut wait = LockWait::new(migrator.options.wait_for_lock, &migrator.options.observer);
    let mut waited = Duration::ZERO;
    while let Waited::NotYet = wait.poll(client).await? {
        waited = wait.elapsed();
        // The other run may have done everything; then there is nothing to wait for.
        if let Some(report) = done_meanwhile(migrator, client, began).await? {
            return Ok(Report { waited, ..report });
        }
    }
    let outcome = locked(migrator, client, &facts, &set, began).await;
    release(client, &format!("{}{}", facts.discard, facts.restore)).await;
    outcome.map(|report| Report { waited, duration: began.elapsed(), ..report })
}

/// What a run has to know of its session, when the session can do it; the names are of what is `wanted`.
pub(crate) async fn facts(
    migrator: &Migrator,
    client: &Client,
    names: &[(Option<Version>, String)],
    wanted: &str,
) -> Result<Preflight, Error> {
    let facts = Preflight::read(client, migrator.options.history_schema.as_deref()).await?;
    facts.require_writable(names, wanted)?;
    if !migrator.options.session_pooler && crate::pooler::stands_between(client, facts.backend_pid).await {
        return Err(Error::Pooler);
    }
    Ok(facts)
}

/// Where the steps of a run are made.
pub(crate) fn stage<'a>(
    migrator: &'a Migrator,
    client: &'a Client,
    facts: &'a Preflight,
    set: &MigrationSet,
    run: i64,
) -> Stage<'a> {
    Stage {
        client,
        observer: &migrator.options.observer,
        facts,
        run,
        lock_timeout: migrator.options.lock_timeout.unwrap_or(set.settings().lock_timeout),
        lock_attempts: migrator.options.lock_attempts,
    }
}

async fn done_meanwhile(
    migrator: &Migrator,
    client: &Client,
    began: Instant,
) -> Result<Option<Report>, Error> {
    let plan = match migrator.glance(client).await? {
        Glance::Same => return Ok(Some(migrator.nothing_to_do(None, began))),
        Glance::Different(history) => migrator.plan_for(&history)?,
    };
    if !plan.refusals.is_empty() {
        return Err(Error::Refused(plan.refusals));
    }
    Ok(plan.pending.is_empty().then(|| migrator.nothing_to_do(Some(plan), began)))
}

/// The part that runs under the lock: nobody else changes the history now.
async fn locked(
    migrator: &Migrator,
    client: &Client,
    facts: &Preflight,
    set: &MigrationSet,
    began: Instant,
) -> Result<Report, Error> {
    let history = match migrator.glance(client).await? {
        Glance::Same => return Ok(migrator.nothing_to_do(None, began)),
        Glance::Different(history) => history,
    };
    let plan = migrator.plan_for(&history)?;
    if !plan.refusals.is_empty() {
        return Err(Error::Refused(plan.refusals));
    }
    if plan.pending.is_empty() {
        return Ok(migrator.nothing_to_do(Some(plan), began));
    }
    prepare(client, facts, if set.has_backfills() { Needs::Backfills } else { Needs::Runs }).await?;
    let run = state::begin_run(client, &plan.environment, plan.pending.len()).await?;
    info!(run, pending = plan.pending.len(), "applying migrations");
    migrator.options.observer.tell(&Event::Began { steps: plan.pending.len() });
    let stage = stage(migrator, client, facts, set, run);
    let (versioned, repeatable): (Vec<_>, Vec<_>) =
        plan.pending.iter().partition(|step| step.kind == StepKind::Versioned);
    let versioned: Vec<Step<'_>> =
        versioned.into_iter().filter_map(|step| versioned_step(set, step)).collect();
    let mut session = Session::new(stage, versioned.iter().cloned());
    let outcome = steps(&mut session, &versioned, &repeatable, set, facts).await;
    state::end_run(client, run, outcome).await?;
    let newest = versioned.iter().filter_map(|step| step.version).max();
    Ok(Report {
        run: Some(run),
        environment: plan.environment,
        version: newest.max(plan.current),
        steps: session.done,
        backfills: Vec::new(),
        held: plan.held,
        warnings: plan.warnings,
        duration: began.elapsed(),
        waited: Duration::ZERO,
    })
}

/// Creates the history table as refinery would, and the schema refit, in one transaction.
pub(crate) async fn prepare(client: &Client, facts: &Preflight, needs: Needs) -> Result<(), Error> {
    let comment = state::comment(client).await?;
    // What exists is not asserted: even IF NOT EXISTS needs the right to create, which the role may not have.
    let history = match facts.history_exists {
        true => String::new(),
        false => {
            <Session<'_> as refinery_core::AsyncMigrate>::assert_migrations_table_query(&facts.history_table)
        }
    };
    let upgrade = state::upgrade(comment.as_deref(), needs).unwrap_or_default();
    if history.is_empty() && upgrade.is_empty() {
        return Ok(());
    }
    let sql = format!("BEGIN;SET LOCAL client_min_messages = warning;{history}{upgrade}COMMIT");
    match client.batch_execute(&sql).await {
        Ok(()) => Ok(()),
        Err(error) => {
            client.batch_execute("ROLLBACK").await.ok();
            Err(Error::database("creating the history")(error))
        }
    }
}

async fn steps<'a>(
    session: &mut Session<'a>,
    versioned: &[Step<'a>],
    repeatable: &[&PlannedStep],
    set: &'a MigrationSet,
    facts: &Preflight,
) -> Result<(), Error> {
    let migrations: Result<Vec<_>, _> =
        versioned.iter().map(|step| refinery::Migration::unapplied(step.stem, step.sql)).collect();
    let migrations = migrations.map_err(|error| Error::Internal(error.to_string()))?;
    // Policies were decided by the plan; the runner sees pending migrations only, so it has nothing to abort for.
    let mut runner = Runner::new(&migrations).set_abort_divergent(false).set_abort_missing(false);
    runner.set_migration_table_name(&facts.history_table);
    let outcome = runner.run_async(session).await.map_err(|error| error.to_string());
    let settled = session.settle().await.map_err(|error| error.to_string());
    if let Err(error) = outcome.map(drop).and(settled) {
        return Err(session.failure.take().unwrap_or(Error::Internal(error)));
    }
    for planned in repeatable {
        let Some(repeatable) = set.repeatables().iter().find(|repeatable| repeatable.stem == planned.stem)
        else {
            continue;
        };
        let step = Step::repeatable(repeatable);
        let record = format!(
            "INSERT INTO refit.repeatable (name, checksum) VALUES ({}, '{}') ON CONFLICT (name) \
             DO UPDATE SET checksum = excluded.checksum, applied_at = now()",
            postgres_protocol::escape::escape_literal(step.name),
            step.checksum
        );
        if session.run(&step, &record).await.is_err() {
            let failure = session.failure.take();
            return Err(
                failure.unwrap_or_else(|| Error::Internal("a step failed without an error".to_owned()))
            );
        }
    }
    Ok(())
}

fn versioned_step<'a>(set: &'a MigrationSet, step: &PlannedStep) -> Option<Step<'a>> {
    set.migration(step.version?).map(Step::versioned)
}

/// Statements that would break a step apart, or hang it, are refused before anything runs.
fn refuse_what_cannot_run(set: &MigrationSet, plan: &Plan) -> Result<(), Error> {
    for planned in &plan.pending {
        let (path, sql) = match planned.version {
            Some(version) => match set.migration(version) {
                Some(migration) => {
                    crate::backfill::can_begin(migration)?;
                    (&migration.path, &migration.sql)
                }
                None => continue,
            },
            None => match set.repeatables().iter().find(|repeatable| repeatable.stem == planned.stem) {
                Some(repeatable) => (&repeatable.path, &repeatable.sql),
                None => continue,
            },
        };
        can_run(path, sql, planned.transaction)?;
    }
    Ok(())
}

/// Refuses a text with a statement that would break its step apart, or hang it.
pub(crate) fn can_run(path: &str, sql: &str, transaction: bool) -> Result<(), Error> {
    for statement in refit_model::split_statements(sql) {
        // A position takes reading all that is before it.
        let refused = |what, instead| Error::CannotResume {
            path: path.to_owned(),
            position: statement.position(sql),
            what,
            instead,
        };
        match &statement.kind {
            StatementKind::CreateIndexConcurrently { index: None, .. } if !transaction => {
                return Err(refused("an index without a name cannot be found again", "name it"));
            }
            _ if !transaction && statement.creates_temporary() => {
                let instead = "use an ordinary or unlogged table and drop it in the end";
                return Err(refused("a temporary object ends with the session", instead));
            }
            StatementKind::TransactionControl => {
                let words = statement.text.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
                let position = statement.position(sql);
                return Err(Error::TransactionControl { path: path.to_owned(), position, statement: words });
            }
            StatementKind::CopyThroughClient => {
                let position = statement.position(sql);
                return Err(Error::CopyThroughClient { path: path.to_owned(), position });
            }
            _ => {}
        }
    }
    Ok(())
}
