//! `content-versions`: a CMS becomes multi-site. Every version of its content gets a site and a locale, while the service stays up.

mod backup;
mod change;
mod folder;
mod generate;
mod outcome;
mod releases;
mod runbook;
mod verify;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use refit::Connection;
use refit_model::Version;

pub use outcome::{Figures, Growth, Outcome, Rule, Step};
pub use runbook::runbook;

use crate::{Fact, Process, Traffic};
use folder::{Folder, Profile};
use releases::OldRelease;

/// The version of the old release.
const OLD: Version = 1;
/// The last migration of the expand phase: the new release may run from here on.
const EXPANDED: &str = "4";
/// The backfill.
const BACKFILL: Version = 5;
/// The last migration.
const NEWEST: Version = 12;

/// Requests a second, of all releases together.
const RATE: u32 = 200;
const CLIENTS: u32 = 8;

/// How the scenario is played.
#[derive(Debug, Clone)]
pub struct Options {
    /// An empty database.
    pub url: String,
    /// The program that runs [`Worker::run`](crate::Worker::run), with the arguments before the worker's own.
    pub worker: Vec<OsString>,
    /// How many versions are generated, at least 2,000.
    pub rows: u64,
    /// How long traffic runs before the change, for comparison.
    pub quiet: Duration,
    /// Whether the window closes while the backfill runs, and opens again.
    pub closing_window: bool,
    /// Whether the rows go back afterwards, by the journal and by the backup, and forward again.
    pub rollbacks: bool,
    /// The folder of the migrations; that of this repository by default.
    pub migrations: PathBuf,
}

impl Options {
    /// Options with the migrations of this repository, and a window that closes.
    pub fn new(url: impl Into<String>, worker: Vec<OsString>, rows: u64) -> Options {
        Options {
            url: url.into(),
            worker,
            rows,
            quiet: Duration::from_secs(2),
            closing_window: true,
            rollbacks: true,
            migrations: PathBuf::from(env!("CARGO_MANIFEST_DIR"))
                .join("../../tests/scenarios/content_versions/migrations"),
        }
    }
}

/// A scenario that is being played.
struct Play<'a> {
    options: &'a Options,
    say: &'a (dyn Fn(&str) + Sync),
    folder: Folder,
    client: Connection,
    /// Whether this machine can make backups of the server.
    has_backups: bool,
    facts: Vec<Fact>,
}

/// Plays the scenario: the old release with its rows, refusals, the change under traffic, rollback by the journal, rollback by the
/// backup, and forward again after each. `say` is called with what begins.
///
/// # Errors
/// When it cannot be played. A fact that does not hold is part of the outcome.
pub async fn play(options: &Options, say: &(dyn Fn(&str) + Sync)) -> anyhow::Result<Outcome> {
    anyhow::ensure!(options.rows >= 2_000, "the scenario needs at least 2,000 rows");
    let folder = Folder::copy(&options.migrations)?;
    let client = refit::connect(&options.url, &refit::ConnectOptions::default()).await?;
    let has_backups = backup::is_possible(options, &folder).await?;
    let mut play = Play { options, say, folder, client, has_backups, facts: Vec::new() };
    let outcome = Box::pin(play.all()).await;
    play.client.close().await;
    outcome
}

impl Play<'_> {
    async fn all(&mut self) -> anyhow::Result<Outcome> {
        self.say("the old release: V1 is applied, and versions are generated");
        self.folder.write(&Profile::default())?;
        self.worker("the old release", &["--to", "1"])?.succeed().await?;
        generate::fill(&self.client, self.options.rows).await?;
        self.refusals().await?;

        let before = verify::Before::read(&self.client).await?;
        let change = Box::pin(self.change(&before)).await?;
        self.facts.extend(verify::migrated(&self.client, &before).await?);
        let reported = self.reported(&before).await?;

        let mut traffic = Vec::new();
        if self.options.rollbacks {
            traffic.push(Box::pin(self.rollbacks(&before)).await?);
        }
        outcome::read(self, change, reported, traffic).await
    }

    /// Back and forward again, by the journal and by the backup. Returns the time of requests during the first rollback.
    async fn rollbacks(&mut self, before: &verify::Before) -> anyhow::Result<Figures> {
        let figures = Box::pin(self.roll_back(before)).await?;
        self.say("forward again");
        self.forward(before).await?;
        if self.has_backups {
            Box::pin(self.restore(before)).await?;
            self.say("forward again");
            self.forward(before).await?;
        } else {
            self.say("no pg_dump for this server: without backups");
        }
        Ok(figures)
    }

    /// Without exactly one default site, nothing is changed.
    async fn refusals(&mut self) -> anyhow::Result<()> {
        self.say("without a default site, and with two, the run is refused");
        self.folder.write(&Profile::production(self.has_backups, None))?;
        let default_sites = "SELECT coalesce(string_agg(id::text, ','), '') FROM sites WHERE is_default";
        let default: String = self.client.query_one(default_sites, &[]).await?.get(0);
        for (what, condition) in [("without a default site", "false"), ("with two default sites", "id <= 2")]
        {
            self.client.batch_execute(&format!("UPDATE sites SET is_default = ({condition})")).await?;
            let ended = self.worker("the run", &[])?.end().await?;
            let refused = !ended.success && ended.stderr.contains("one_default_site");
            let last = ended.stderr.lines().last().unwrap_or_default().to_owned();
            self.facts.push(Fact::holds(
                format!("{what}, the run is refused"),
                refused,
                last,
                "one_default_site",
            ));
            let version: i64 = self.client.query_one(verify::VERSION, &[]).await?.get(0);
            self.facts.push(Fact::equal(format!("{what}, nothing was applied: version"), version, OLD));
        }
        self.client.batch_execute(&format!("UPDATE sites SET is_default = (id = {default})")).await?;
        Ok(())
    }

    /// Rolls back to the old release, which continues to serve.
    async fn roll_back(&mut self, before: &verify::Before) -> anyhow::Result<Figures> {
        self.say("back to the old release by the journal, under its traffic");
        self.folder.write(&Profile::production(self.has_backups, None))?;
        let traffic = Traffic::start(&self.options.url, OldRelease, RATE, CLIENTS).await?;
        let outcome = self.worker("the rollback", &["--rollback-to", "1"])?.succeed().await;
        let latencies = traffic.end().await?;
        outcome?;
        self.facts.push(Fact::equal("requests that failed during the rollback", latencies.failed(), 0));
        self.facts.extend(verify::rolled_back(&self.client, before, "by the journal").await?);
        Ok(Figures::of("during the rollback", &latencies))
    }

    async fn forward(&mut self, before: &verify::Before) -> anyhow::Result<()> {
        self.worker("the run forward", &[])?.succeed().await?;
        self.facts.extend(verify::migrated(&self.client, before).await?);
        Ok(())
    }

    fn say(&self, what: &str) {
        (self.say)(what);
    }

    /// Starts a process of the service.
    fn worker(&self, name: &'static str, arguments: &[&str]) -> anyhow::Result<Process> {
        let backups = self.folder.backups();
        let backups = backups.to_str().context("the folder of backups is not UTF-8")?;
        let mut all = arguments.to_vec();
        if self.has_backups {
            all.extend(["--backups", backups]);
        }
        Process::start(name, &self.options.worker, &self.folder.migrations(), &self.options.url, &all)
    }

    /// A migrator over the folder, to read what is recorded.
    fn migrator(&self) -> anyhow::Result<refit::Migrator> {
        Ok(refit::Migrator::new(refit_model::MigrationSet::from_dir(&self.folder.migrations())?))
    }
}
