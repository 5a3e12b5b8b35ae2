//! The change itself: two processes, under the traffic of both releases; the window closes and opens again, and one is killed.

use std::time::{Duration, Instant};

use anyhow::bail;
use refit::Connection;
use refit::backfill::JobStatus;

use super::folder::Profile;
use super::outcome::{Change, Figures};
use super::releases::{NewRelease, OldRelease};
use super::verify::Before;
use super::{BACKFILL, CLIENTS, EXPANDED, Play, RATE};
use crate::{Fact, Process, Traffic};

/// How long the scenario waits for something that must happen.
const PATIENCE: Duration = Duration::from_secs(120);
/// Seconds from the start of the processes until the window closes, and for how long.
const CLOSES_AFTER: i32 = 6;
const CLOSED: i32 = 4;

/// A row that another session has locked: the backfill cannot end before it is released.
struct Hold(Connection);

impl Play<'_> {
    /// Migrates under traffic.
    pub(super) async fn change(&mut self, before: &Before) -> anyhow::Result<Change> {
        let url = self.options.url.clone();
        self.say("traffic of the old release");
        let half = |release| Traffic::start(&url, release, RATE / 2, CLIENTS / 2);
        let (old, second) = (half(OldRelease).await?, half(OldRelease).await?);
        let quiet_from = Instant::now();
        tokio::time::sleep(self.options.quiet).await;

        self.say("two processes of the new release expand the schema");
        let begin = Instant::now();
        let expand = |name| self.worker(name, &["--to", EXPANDED]);
        let (one, two) = (expand("process 1")?, expand("process 2")?);
        one.succeed().await?;
        two.succeed().await?;
        let replaced = second.end().await?;
        let new = Traffic::start(&url, NewRelease, RATE / 2, CLIENTS / 2).await?;

        // Few rows would be done before the window closes. Until the locks are released, the backfill cannot end. Many rows need no
        // lock, and a transaction that is open for long would make the backfill slower.
        let mut held = None;
        if self.options.closing_window {
            held = Some((self.hold(before, 30).await?, self.hold(before, 80).await?));
            self.folder.write(&Profile::production(self.has_backups, Some(self.windows().await?)))?;
        }
        self.say("two processes migrate the rows, while both releases run");
        let (one, two) = (self.worker("process 1", &[])?, self.worker("process 2", &[])?);
        self.interrupt(one, held).await?;
        two.succeed().await?;
        let end = Instant::now();
        self.say("the process that was killed is started again");
        self.worker("process 1, again", &[])?.succeed().await?;

        let all = old.end().await?.and(replaced).and(new.end().await?);
        let found = match all.errors() {
            [] => "0".to_owned(),
            errors => format!("{}: {}", errors.len(), errors[0]),
        };
        self.facts.push(Fact::equal("requests that failed", found, "0".to_owned()));
        Ok(Change {
            duration: end - begin,
            quiet: Figures::of("before", &all.between(quiet_from, begin)),
            during: Figures::of("during the change", &all.between(begin, end)),
        })
    }

    /// The window closes in the middle of the backfill and opens again; then a process is killed.
    async fn interrupt(&mut self, one: Process, held: Option<(Hold, Hold)>) -> anyhow::Result<()> {
        let mut last = None;
        if let Some((first, second)) = held {
            last = Some(second);
            self.until("the pause of the backfill", async |play| {
                let throttle = play.job().await?.and_then(|job| job.throttle);
                Ok(throttle.is_some_and(|why| why.contains("outside the windows")))
            })
            .await?;
            self.say("the window has closed: the backfill pauses");
            first.release().await?;
            tokio::time::sleep(Duration::from_secs(1)).await;
            let paused = self.rows_changed().await?;
            tokio::time::sleep(Duration::from_secs(1)).await;
            let what = "rows changed while the window is closed";
            self.facts.push(Fact::equal(what, self.rows_changed().await? - paused, 0));
            self.until("the window", async |play| Ok(play.rows_changed().await? > paused)).await?;
            self.say("the window is open again");
        } else {
            let third = i64::try_from(self.options.rows / 3)?;
            self.until("a third of the rows", async |play| Ok(play.rows_changed().await? > third)).await?;
        }
        one.kill().await?;
        let left: i64 = self
            .client
            .query_one("SELECT count(*) FROM content_versions WHERE site_id IS NULL", &[])
            .await?
            .get(0);
        self.say(&format!("process 1 is killed, with {left} rows left"));
        self.facts.push(Fact::holds(
            "process 1 is killed in the middle",
            left > 0,
            format!("{left} rows left"),
            "some",
        ));
        match last {
            Some(hold) => hold.release().await,
            None => Ok(()),
        }
    }

    /// Locks the row at a share of the rows, in percent.
    async fn hold(&self, before: &Before, percent: i64) -> anyhow::Result<Hold> {
        let client = refit::connect(&self.options.url, &refit::ConnectOptions::default()).await?;
        client.batch_execute("BEGIN").await?;
        let id = before.rows * percent / 100;
        let rows = client.query("SELECT FROM content_versions WHERE id = $1 FOR UPDATE", &[&id]).await?;
        anyhow::ensure!(rows.len() == 1, "there is no version {id}");
        Ok(Hold(client))
    }

    /// A window that closes soon, and one that opens a little later.
    async fn windows(&self) -> anyhow::Result<Vec<String>> {
        let sql = "SELECT to_char((clock_timestamp() AT TIME ZONE 'UTC') + make_interval(secs => s), 'HH24:MI:SS') \
                   FROM unnest($1::int[]) WITH ORDINALITY AS t (s, n) ORDER BY n";
        let seconds = [-3600, CLOSES_AFTER, CLOSES_AFTER + CLOSED, 7200];
        let rows = self.client.query(sql, &[&seconds.as_slice()]).await?;
        let times: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        Ok(times.chunks(2).map(|pair| pair.join("-")).collect())
    }

    async fn job(&self) -> anyhow::Result<Option<JobStatus>> {
        let state = self.migrator()?.state(&self.client).await?;
        Ok(JobStatus::of(&self.client, &state, BACKFILL).await?)
    }

    async fn rows_changed(&self) -> anyhow::Result<i64> {
        Ok(self.job().await?.map_or(0, |job| job.rows_changed))
    }

    /// Waits until a condition is true.
    async fn until(
        &self,
        what: &str,
        is_true: impl AsyncFn(&Self) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let begin = Instant::now();
        while !is_true(self).await? {
            if begin.elapsed() > PATIENCE {
                bail!("{what} did not come within {PATIENCE:?}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }
}

impl Hold {
    async fn release(self) -> anyhow::Result<()> {
        self.0.batch_execute("ROLLBACK").await?;
        self.0.close().await;
        Ok(())
    }
}
