//! Scripts that do by hand what a run or a rollback would do, in psql or any client that sends one statement after the other.
//!
//! *Invariant*: making a script only reads. What a script cannot do faithfully is an error or a comment in it, never an
//! approximation.

mod apply;
mod backfill;
mod by_statement;
mod undo;
mod writer;

use refit_model::visible_line;
use tokio_postgres::Client;

use crate::error::Error;
use crate::line::Line;
use crate::migrator::Migrator;
use crate::plan::Plan;
use crate::preflight::Preflight;
use crate::rollback::{Rollback, RollbackPlan};

impl Migrator {
    /// Writes a script that applies by hand what is pending. Read-only.
    ///
    /// It takes the migration lock and proves that no other session holds it before each step; each step is a transaction with its
    /// row of the history, or runs statement by statement. It writes Refit's own records too, so that a run finds nothing to do
    /// afterwards. A backfill whose statement skips rows that are done is a loop; others are registered only, which a comment
    /// says. Run it in a session of its own, as `psql -X -f script.sql URL`. It contains the texts of the migrations unredacted.
    ///
    /// ```no_run
    /// # async fn example(migrator: refit::Migrator, client: &tokio_postgres::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// std::fs::write("script.sql", migrator.plan_sql(client).await?)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`apply`](Migrator::apply) that are known beforehand; [`Error::Target`] if the records have to be upgraded, or a
    /// step resumed, by a run.
    pub async fn plan_sql(&self, client: &Client) -> Result<String, Error> {
        self.planner.check_named_versions()?;
        let history = self.planner.history_of(self.planner.history_state(client).await?)?;
        let facts = Preflight::read(client, &self.planner.options).await?;
        let script = apply::script(&self.planner, client, &facts, history).await;
        facts.end_after(client, "").await;
        script
    }

    /// Writes a script that rolls back by hand. Read-only. It is run as that of [`plan_sql`](Migrator::plan_sql).
    ///
    /// ```no_run
    /// # async fn example(migrator: refit::Migrator, client: &tokio_postgres::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let rollback = migrator.last_rollback(client).await?;
    /// std::fs::write("script.sql", migrator.rollback_sql(client, &rollback).await?)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`plan_rollback`](Migrator::plan_rollback); [`Error::RollbackRefused`] if a step is not possible; [`Error::Target`]
    /// if rows of a backfill would have to be restored, or a step resumed.
    pub async fn rollback_sql(&self, client: &Client, rollback: &Rollback) -> Result<String, Error> {
        let plan = self.plan_rollback(client, rollback).await?;
        if !plan.refusals.is_empty() {
            return Err(Error::RollbackRefused(plan.refusals));
        }
        let facts = Preflight::read(client, &self.planner.options).await?;
        let script = undo::script(&self.planner, client, &facts, &plan).await;
        facts.end_after(client, "").await;
        script
    }
}

/// The comments at the top of a script.
fn heading(what: &str, heading: String, lines: &[Line], summary: String) -> String {
    let mut text = vec![
        format!("{what} Made by refit {}.", env!("CARGO_PKG_VERSION")),
        "Run it in a session of its own, without --single-transaction: psql -X -f SCRIPT URL".to_owned(),
        "At the first error it stops: that step is rolled back unless it says otherwise, and the steps before stay. Then make"
            .to_owned(),
        "another script, or let Refit continue.".to_owned(),
        String::new(),
        heading,
    ];
    text.extend(lines.iter().map(|line| format!("  {:7}  {}", line.label, line.text)));
    text.push(summary);
    text.iter().map(|line| comment(line)).collect()
}

fn heading_of_plan(plan: &Plan) -> String {
    let what = "Applies by hand what `cargo xtask migrate` would apply.";
    heading(what, plan.heading(), &plan.lines(), plan.summary())
}

fn heading_of_rollback(plan: &RollbackPlan) -> String {
    let what = "Undoes by hand what `cargo xtask rollback` would undo.";
    heading(what, plan.heading(), &plan.lines(), plan.summary())
}

/// A line of a comment, whatever the text contains.
fn comment(text: &str) -> String {
    // A line break would end the comment.
    format!("-- {}", visible_line(text)).trim_end().to_owned() + "\n"
}
