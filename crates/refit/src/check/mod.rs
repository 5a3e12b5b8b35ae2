//! Checks: which ones apply to a database, and what they found.

mod run;
mod verdict;

use std::time::Duration;

use refit_model::{Check, MigrationSet, When};
use serde::Serialize;
use tokio_postgres::Client;

use crate::error::Error;
use crate::line::Line;
use crate::migrator::Migrator;
use crate::plan::Plan;
use crate::report::seconds;

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

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// All is well.
    Passed,
    /// Something is wrong that the check only warns of.
    Warned,
    /// Something is wrong, or the check cannot run.
    Failed,
}

/// The counts of a check that compares two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// `source_count`.
    pub source: i64,
    /// `target_count`.
    pub target: i64,
    /// `source` without `target`.
    pub difference: i64,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CheckResult {
    /// Its name.
    pub name: String,
    /// Its file, relative to the folder.
    pub path: String,
    /// The line of its query.
    pub line: usize,
    /// What it found.
    pub verdict: Verdict,
    /// How many rows it returned.
    pub rows: u64,
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The first rows, as text; NULL is none.
    pub first_rows: Vec<Vec<Option<String>>>,
    /// The counts that were compared, if it compares two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// Why it could not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long it took, in seconds.
    #[serde(serialize_with = "seconds")]
    pub duration: Duration,
}

impl CheckResult {
    /// What it found, line by line.
    ///
    /// ```
    /// # fn example(result: &refit::CheckResult) {
    /// for line in result.lines() {
    ///     println!("{:8} {}", line.label, line.text);
    /// }
    /// # }
    /// ```
    pub fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        if let Some(error) = &self.error {
            lines.push(Line::problem("error", error));
        }
        if let Some(Counts { source, target, difference }) = self.counts {
            lines.push(Line::detail(
                "counts",
                format!("source {source}, target {target}, difference {difference}"),
            ));
        } else if self.verdict != Verdict::Passed {
            lines.extend(self.first_rows.iter().map(|row| Line::detail("row", self.row(row))));
            if let Some(more @ 1..) = self.rows.checked_sub(self.first_rows.len() as u64) {
                lines.push(Line::detail("", format!("and {more} more")));
            }
        }
        lines
    }

    fn row(&self, row: &[Option<String>]) -> String {
        let values = self.columns.iter().zip(row);
        let value = |(column, value): (&String, &Option<String>)| {
            format!("{column} = {}", value.as_deref().unwrap_or("NULL"))
        };
        refit_model::visible_line(&values.map(value).collect::<Vec<_>>().join(", ")).into_owned()
    }
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
            results.push(run::run(client, check).await?);
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
