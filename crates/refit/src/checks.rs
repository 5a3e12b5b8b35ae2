//! Which checks apply to a database, and running them on demand or regularly.

use std::time::Duration;

use refit_model::{Check, MigrationSet, When};
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};
use tracing::{error, warn};

use crate::check::{Occasion, Surroundings, failures, record, run, warnings};
use crate::error::{Error, unknown_name};
use crate::event::Event;
use crate::lock_keys;
use crate::migrator::Migrator;
use crate::plan::Plan;
use crate::queries::Queries;
use crate::report::CheckResult;
use crate::state::{State, expire_check_results};

/// Which checks to run; see [`Migrator::check`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckSelection {
    /// Names of checks; all of them if it is empty.
    pub names: Vec<String>,
    /// Whether to run those of pending migrations that are to run before them, instead of those of applied migrations and of
    /// the whole database.
    pub pending: bool,
}

impl Migrator {
    /// Runs checks, each in a read-only transaction of its own. The search path is that of the session.
    ///
    /// ```no_run
    /// # async fn example(migrator: refit::Migrator, client: &tokio_postgres::Client) -> Result<(), refit::Error> {
    /// for result in migrator.check(client, &refit::CheckSelection::default()).await? {
    ///     println!("{}: {:?}", result.name, result.verdict);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Target`] if a name is that of no check, or the history does not match the set; and when the history cannot be
    /// read. A check that cannot run is a result with [`Verdict::Failed`](crate::Verdict::Failed).
    pub async fn check(
        &self,
        client: &Client,
        selection: &CheckSelection,
    ) -> Result<Vec<CheckResult>, Error> {
        let set = self.set()?;
        let unknown = selection.names.iter().find(|name| set.checks().all(|check| check.name != **name));
        if let Some(name) = unknown {
            return Err(Error::Target(unknown_name(
                "check",
                name,
                set.checks().map(|check| check.name.as_str()),
            )));
        }
        let plan = self.plan(client).await?;
        let state = self.state(client).await?;
        self.run_checks(client, &state, Occasion::Request, applicable(set, &plan, selection)).await
    }

    /// Runs all checks that apply to the database once an interval, for as long as the program runs. A check that fails is an error
    /// in the log, each time; every result is an [`Event::Checked`].
    ///
    /// Any number of processes may call it: one of them runs the checks of an interval, if they may write Refit's state. A lost
    /// connection is logged; the next interval connects again.
    ///
    /// ```no_run
    /// # async fn example(migrator: refit::Migrator, url: &str) -> Result<(), refit::Error> {
    /// migrator.check_regularly(url, std::time::Duration::from_secs(3600)).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Interrupted`] when the migrator is interrupted, and those of the set and the URL.
    pub async fn check_regularly(&self, url: &str, every: Duration) -> Result<(), Error> {
        let migrator = self.for_url(url)?;
        let set = migrator.set()?;
        loop {
            match migrator.check_if_due(set, url, every).await {
                Ok(Some(results)) => log(&results),
                Ok(None) => {}
                Err(error) => warn!("cannot run the checks: {}", error.message()),
            }
            if migrator.planner.options.interrupt.cuts_short(every).await {
                return Err(Error::Interrupted {
                    at: None,
                    remains: "the checks run at the next start".to_owned(),
                });
            }
        }
    }

    /// Runs the checks unless another process runs them, or has run them in this interval.
    async fn check_if_due(
        &self,
        set: &MigrationSet,
        url: &str,
        every: Duration,
    ) -> Result<Option<Vec<CheckResult>>, Error> {
        let connection = crate::connect::connect(url, &self.planner.options.connect).await?;
        let outcome = async {
            let state = self.state(&connection).await?;
            if !is_due(&connection, &state, every).await? {
                return Ok(None);
            }
            let plan = self.plan(&connection).await?;
            let checks = applicable(set, &plan, &CheckSelection::default());
            self.run_checks(&connection, &state, Occasion::Schedule, checks).await.map(Some)
        };
        let outcome = outcome.await;
        // This releases the lock, too.
        connection.close().await;
        outcome
    }

    async fn run_checks(
        &self,
        client: &Client,
        state: &State,
        occasion: Occasion,
        checks: Vec<&Check>,
    ) -> Result<Vec<CheckResult>, Error> {
        let mut results = Vec::new();
        for check in checks {
            let result = run(client, check, &Surroundings::own()).await?;
            self.planner.options.hooks.event(&Event::Checked { result: &result });
            results.push(result);
        }
        record(client, state, None, occasion, &results).await?;
        if !state.is_empty() && state.has(client, "check_result").await? {
            expire_check_results(client, state, self.set()?.settings().retention).await;
        }
        Ok(results)
    }
}

/// Whether no process has run the checks in this interval. It takes a lock of the session, so that no other process runs them.
async fn is_due(client: &Client, state: &State, every: Duration) -> Result<bool, Error> {
    let failed = || Error::database("looking for the last results of checks");
    let key = lock_keys::key(&format!("checks {} {}", state.schema(), state.history()));
    let lock = "SELECT pg_catalog.pg_try_advisory_lock($1)";
    let row = client.query_one_boxed(lock, &[(&key, Type::INT8)]).await.map_err(failed())?;
    if !row.get::<_, bool>(0) {
        return Ok(false);
    }
    if state.is_empty() || !state.has(client, "check_result").await? {
        return Ok(true);
    }
    // A little less than the interval: the next attempt may come a moment before the whole interval has passed.
    let since = every.as_secs_f64() * 0.9;
    let sql = "SELECT NOT EXISTS (SELECT FROM refit.check_result WHERE history_id OPERATOR(pg_catalog.=) $1 \
                   AND occasion OPERATOR(pg_catalog.=) 'schedule' AND checked_at OPERATOR(pg_catalog.>) \
                   (pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) pg_catalog.make_interval(secs => $2)))";
    let parameters: [(&(dyn ToSql + Sync), Type); 2] =
        [(&state.history(), Type::INT8), (&since, Type::FLOAT8)];
    Ok(client.query_one_boxed(&state.sql(sql), &parameters).await.map_err(failed())?.get(0))
}

fn log(results: &[CheckResult]) {
    for line in failures(results) {
        error!("a check fails: {line}");
    }
    for line in warnings(results) {
        warn!("{line}");
    }
}

/// The checks that are to run on a database with this plan, in the order of the set.
fn applicable<'s>(set: &'s MigrationSet, plan: &Plan, selection: &CheckSelection) -> Vec<&'s Check> {
    let is_open = |stem: &str| {
        plan.pending.iter().any(|step| step.stem == stem) || plan.held.iter().any(|step| step.stem == stem)
    };
    let named = |check: &&Check| selection.names.is_empty() || selection.names.contains(&check.name);
    let of_files = set
        .migrations()
        .iter()
        .map(|migration| (&migration.stem, &migration.checks))
        .chain(set.repeatables().iter().map(|repeatable| (&repeatable.stem, &repeatable.checks)));
    let mut checks: Vec<&Check> = Vec::new();
    for (stem, of_file) in of_files {
        let runs = |check: &&Check| match (check.when, is_open(stem)) {
            (When::Before, open) => open && selection.pending,
            (_, open) => !open && !selection.pending,
        };
        checks.extend(of_file.iter().filter(runs));
    }
    if !selection.pending {
        checks.extend(set.standing_checks());
    }
    checks.retain(named);
    checks
}
