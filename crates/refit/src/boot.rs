//! What a service calls when it boots: connect, apply, start the work on backfills.

use std::collections::BTreeSet;

use refit_model::Version;
use tracing::warn;

use crate::connect::connect;
use crate::error::{Error, may_wait};
use crate::migrator::Migrator;
use crate::options::Backfills;
use crate::plan::Gate;
use crate::report::Report;

impl Migrator {
    /// Connects to `url`, applies what is pending, and closes the connection. This is what a service calls when it boots.
    ///
    /// `url` is `postgres://user:password@host:5432/database` or libpq's `host=… dbname=…`, with libpq's parameters.
    /// Backfills are finished as [`backfills`](Migrator::backfills) says: by default by a task in the background, which needs a
    /// tokio runtime that keeps running. Dropping the future cancels the statement that runs.
    ///
    /// ```no_run
    /// # async fn example(migrator: refit::Migrator, url: &str) -> Result<(), refit::Error> {
    /// let report = migrator.run(url).await?;
    /// println!("{}", report.summary());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`connect()`](crate::connect()) and of [`apply`](Migrator::apply). With [`Backfills::Inline`], also those of
    /// [`run_backfills`](Migrator::run_backfills).
    pub async fn run(&self, url: &str) -> Result<Report, Error> {
        self.planner.options.hooks.observed(self.boot(url).await).await
    }

    async fn boot(&self, url: &str) -> Result<Report, Error> {
        let connection = connect(url, &self.planner.options.connect).await?;
        let (migrator, warned) = self.for_url(url)?.with_notices_of(&connection);
        let report = migrator.applied_or_canceled(&connection).await;
        // In the other modes, the work on backfills does this.
        if report.is_ok() && self.planner.options.backfills == Backfills::Hold && self.set()?.has_backfills()
        {
            match self.upgrade_state(&connection).await {
                Err(error) if !may_wait(&error) => return Err(error),
                _ => {}
            }
        }
        connection.close().await;
        let report = report.map(|mut report| {
            report.warnings.extend(warned.take());
            report
        });
        if !self.set()?.has_backfills() {
            return report;
        }
        let mut report = match report {
            Ok(report) => report,
            Err(error) => return Box::pin(self.finish_backfills_then(url, error)).await,
        };
        let gates = report.held.iter().map(|held| &held.gate);
        let mut awaited: BTreeSet<Version> = gates.filter_map(Gate::backfill).collect();
        match self.planner.options.backfills {
            Backfills::Inline => {
                let worked = Box::pin(self.work_until(url, &mut awaited)).await?;
                // Without a backfill to work on, the first report is complete.
                if !worked.backfills.is_empty() {
                    report.append(worked);
                }
            }
            Backfills::Background => {
                tokio::spawn(self.clone().work_in_background(url.to_owned(), awaited));
            }
            Backfills::Hold => {}
        }
        Ok(report)
    }

    /// After a failed step, registered backfills still run: it may need what waits for them.
    async fn finish_backfills_then(&self, url: &str, error: Error) -> Result<Report, Error> {
        if !matches!(error, Error::Statement(_)) {
            return Err(error);
        }
        match self.planner.options.backfills {
            Backfills::Inline => match Box::pin(self.work_until(url, &mut BTreeSet::new())).await {
                Ok(worked) if !worked.backfills.is_empty() => Ok(worked),
                Ok(_) => Err(error),
                Err(other) => {
                    warn!("cannot continue a backfill: {}", other.message());
                    Err(error)
                }
            },
            Backfills::Background => {
                tokio::spawn(self.clone().work_in_background(url.to_owned(), BTreeSet::new()));
                Err(error)
            }
            Backfills::Hold => Err(error),
        }
    }
}
