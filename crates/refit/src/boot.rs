//! What a service calls when it boots: connect, apply, start the work on backfills. The profile of the environment may say that it
//! only checks, or does nothing.

use std::collections::BTreeSet;
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use refit_model::{Boot, Version};
use tracing::{info, warn};

use crate::connect::connect;
use crate::error::{Error, may_wait};
use crate::migrator::Migrator;
use crate::options::Backfills;
use crate::plan::Gate;
use crate::report::Report;

impl Migrator {
    /// Connects to `url`, applies what is pending, and closes the connection. This is what a service calls when it boots.
    ///
    /// With `boot = "check"` in the profile of the environment it changes nothing, works on no backfill, and fails if anything is
    /// pending; with `boot = "off"` it does not connect, and the report has no version. [`boot`](Migrator::boot) takes precedence.
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
    /// Those of [`connect()`](crate::connect()) and of [`apply`](Migrator::apply); [`Error::Pending`] if it only checks. With
    /// [`Backfills::Inline`], also those of [`run_backfills`](Migrator::run_backfills).
    pub async fn run(&self, url: &str) -> Result<Report, Error> {
        self.run_boxed(url).await
    }

    /// Not generic and not async: compiled here, not in each service.
    fn run_boxed<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Report, Error>> {
        self.boot_now(url).boxed()
    }

    async fn boot_now(&self, url: &str) -> Result<Report, Error> {
        let report = match self.planner.options.boot() {
            Boot::Apply => self.apply_at_boot(url).boxed().await,
            Boot::Check => self.check_at_boot(url).boxed().await,
            Boot::Off => {
                info!(environment = %self.planner.options.environment, "migrations are off at boot");
                Ok(Report { version: None, ..self.planner.nothing_to_do(None, Instant::now()) })
            }
        };
        self.planner.options.hooks.observed(report).await
    }

    async fn check_at_boot(&self, url: &str) -> Result<Report, Error> {
        let connection = connect(url, &self.planner.options.connect).await?;
        let report = self.require_applied(&connection).await;
        connection.close().await;
        report
    }

    async fn apply_at_boot(&self, url: &str) -> Result<Report, Error> {
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
            Err(error) => return self.finish_backfills_then(url, error).boxed().await,
        };
        let gates = report.held.iter().map(|held| &held.gate);
        let mut awaited: BTreeSet<Version> = gates.filter_map(Gate::backfill).collect();
        match self.planner.options.backfills {
            Backfills::Inline => {
                let worked = self.work_until(url, &mut awaited).boxed().await?;
                // Without a backfill to work on, the first report is complete.
                if !worked.backfills.is_empty() {
                    report.append(worked);
                }
            }
            Backfills::Background => {
                tokio::spawn(self.clone().work_in_background(url.to_owned(), awaited).boxed());
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
            Backfills::Inline => match self.work_until(url, &mut BTreeSet::new()).boxed().await {
                Ok(worked) if !worked.backfills.is_empty() => Ok(worked),
                Ok(_) => Err(error),
                Err(other) => {
                    warn!("cannot continue a backfill: {}", other.message());
                    Err(error)
                }
            },
            Backfills::Background => {
                tokio::spawn(self.clone().work_in_background(url.to_owned(), BTreeSet::new()).boxed());
                Err(error)
            }
            Backfills::Hold => Err(error),
        }
    }
}
