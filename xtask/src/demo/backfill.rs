//! Watches the backfill of the new release until it is complete and the steps that wait for it are applied.

use std::time::Duration;

use anyhow::{bail, ensure};
use refit::backfill::{JobState, JobStatus};
use refit_model::MigrationSet;
use refit_model::wording::grouped;
use tokio_postgres::Client;

use super::story::Story;

/// Time limit for the backfill.
const TIMEOUT: Duration = Duration::from_secs(600);

/// Waits until every backfill of the set is complete, and the set applied.
pub(crate) async fn watch(client: &Client, set: &MigrationSet, story: &mut Story) -> anyhow::Result<()> {
    let bar = story.bar(1, "rows changed");
    let (began, mut reported) = (std::time::Instant::now(), false);
    loop {
        let state = refit::Migrator::new(set.clone()).state(client).await?;
        let jobs = JobStatus::all(client, &state).await?;
        if let Some(job) = jobs.iter().find(|job| job.state == JobState::Running) {
            let total = u64::try_from(job.rows_estimated).unwrap_or(0).max(1);
            bar.set_length(total);
            bar.set_position(u64::try_from(job.rows_changed).unwrap_or(0).min(total));
            if !reported && job.strategy.is_some() {
                let rows = grouped(total);
                story.say(format!(
                    "{} changes {rows} rows in batches, with {} workers",
                    job.name,
                    job.workers.len()
                ));
                reported = true;
            }
        }
        if let Some(job) =
            jobs.iter().find(|job| job.state == JobState::Failed || job.state == JobState::Incomplete)
        {
            bail!("{job}");
        }
        let sql = "SELECT count(*) FROM refinery_schema_history";
        let applied: i64 = client.query_one(sql, &[]).await?.get(0);
        if usize::try_from(applied)? >= set.migrations().len() {
            bar.finish_and_clear();
            for job in &jobs {
                let rows = grouped(u64::try_from(job.rows_changed).unwrap_or(0));
                let seconds = job.seconds.unwrap_or_default();
                story.say(format!(
                    "{} is complete: {rows} rows in {} batches, {seconds:.1} s; the steps that waited for it are applied",
                    job.name, job.batches
                ));
            }
            return Ok(());
        }
        ensure!(began.elapsed() < TIMEOUT, "the backfill is not complete: {jobs:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
