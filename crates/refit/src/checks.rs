//! Which checks apply to a database, and running them on demand.

use refit_model::{Check, MigrationSet, When};
use tokio_postgres::Client;

use crate::check::{Surroundings, run};
use crate::error::Error;
use crate::migrator::Migrator;
use crate::plan::Plan;
use crate::report::CheckResult;

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
    /// read. A check that cannot run is a result with [`Verdict::Failed`].
    pub async fn check(
        &self,
        client: &Client,
        selection: &CheckSelection,
    ) -> Result<Vec<CheckResult>, Error> {
        let set = self.set()?;
        let unknown = selection.names.iter().find(|name| set.checks().all(|check| check.name != **name));
        if let Some(name) = unknown {
            let names = set.checks().map(|check| check.name.as_str());
            let near = refit_model::nearest(name, names)
                .map_or(String::new(), |near| format!("; is `{near}` meant?"));
            return Err(Error::Target(format!("no check is called `{name}`{near}")));
        }
        let plan = self.plan(client).await?;
        let mut results = Vec::new();
        for check in applicable(set, &plan, selection) {
            results.push(run(client, check, &Surroundings::own()).await?);
        }
        Ok(results)
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
