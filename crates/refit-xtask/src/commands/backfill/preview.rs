//! `cargo xtask backfill run --dry-run`

use std::process::ExitCode;

use anyhow::bail;
use refit::backfill::{JobKind, JobState, JobStatus, Preview, Subject, preview};
use refit::{Connection, Migrator, State};
use refit_model::{MigrationSet, Version};
use serde::Serialize;

use crate::backfills::not_applied;
use crate::context::Context;
use crate::database::{Database, refuse_pooler};
use crate::output::QUIET;
use crate::render;

#[derive(Serialize)]
struct Previewed<'a> {
    backfills: &'a [Preview],
}

pub(super) async fn run(
    migrator: &Migrator,
    database: &Database,
    version: Option<Version>,
    sample: u32,
    context: &Context,
) -> anyhow::Result<ExitCode> {
    let set = migrator.set()?.clone();
    let connection = database.connect().await?;
    // A sample prepares statements, which would remain in a pooled session.
    refuse_pooler(&connection, context).await?;
    let plan = migrator.plan(&connection).await?;
    let mut pending: Vec<Version> = not_applied(&plan, &set).iter().map(|named| named.version).collect();
    let state = migrator.state(&connection).await?;
    let mut registered = registered(&connection, &state).await?;
    if let Some(version) = version {
        registered.retain(|unfinished| *unfinished == version);
        pending.retain(|waiting| *waiting == version);
        if registered.is_empty() && pending.is_empty() {
            bail!("version {version} has no backfill that is unfinished or pending");
        }
    }
    let mut previews = Vec::new();
    for subject in subjects(&registered, &pending, &set) {
        previews.push(preview(&connection, &state, subject, sample).await?);
    }
    connection.close().await;
    let first = plan.pending.iter().filter(|step| !step.backfill).map(|step| step.stem.as_str()).next();
    let text = match previews.is_empty() {
        true => "no backfill is unfinished or pending".to_owned(),
        false => text(&previews, &pending, first),
    };
    context.out.result(&Previewed { backfills: &previews }, format!("{}\n{text}", database.address()))?;
    let ok = previews.iter().all(|preview| preview.refused.is_none() && preview.failures.is_empty());
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn registered(connection: &Connection, state: &State) -> anyhow::Result<Vec<Version>> {
    let all = JobStatus::all(connection, state).await?;
    Ok(all
        .iter()
        .filter(|status| status.state != JobState::Complete && status.kind == JobKind::Forward)
        .map(|status| status.version)
        .collect())
}

fn subjects<'a>(registered: &[Version], pending: &[Version], set: &'a MigrationSet) -> Vec<Subject<'a>> {
    let registered = registered.iter().map(|version| Subject::Registered(*version));
    let pending = pending.iter().filter_map(|version| set.migration(*version)).map(Subject::Migration);
    registered.chain(pending).collect()
}

/// `first` is a pending migration that the backfills may need.
fn text(previews: &[Preview], pending: &[Version], first: Option<&str>) -> String {
    let mut blocks = Vec::new();
    for preview in previews {
        let mut block = render::plan::preview(preview);
        if let (Some(_), Some(first), true) = (&preview.refused, first, pending.contains(&preview.version)) {
            block.push_str(&format!(
                "\n  {QUIET}{first} is pending; if the backfill needs it, apply it with `cargo xtask migrate --to {} --backfills hold`{QUIET:#}",
                preview.version
            ));
        }
        blocks.push(block);
    }
    blocks.push(format!("{QUIET}all changes were rolled back{QUIET:#}"));
    blocks.join("\n")
}
