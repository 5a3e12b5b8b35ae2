//! `cargo xtask backup prune`

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use refit_backup::{Retention, expired, remove};
use refit_model::wording::counted;

use crate::backups::{Location, state};
use crate::context::Context;
use crate::database::Database;
use crate::render;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Only files of this database's backups are removed; those of other databases in the folder, restore points and what \
                  programs made are left alone. With both options, a backup is removed if neither keeps it.\n\n\
                  Examples:\n  cargo xtask backup prune --keep 5\n  cargo xtask backup prune --older-than 30d --yes\n  \
                  cargo xtask backup prune --keep 3 --older-than 30d"
)]
pub(super) struct Args {
    /// Keep this many of the newest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    /// Keep those that are not older, such as 30d or 2w
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Option<SignedDuration>,
    /// Do not ask for confirmation
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    location: Location,
}

fn age(text: &str) -> Result<SignedDuration, String> {
    let span: Span = text.parse().map_err(|_| "expected an age such as 30d, 2w or 12h".to_owned())?;
    let age = span.to_duration(SpanRelativeTo::days_are_24_hours());
    let age = age.map_err(|_| "an age in months or years is not exact; use days or weeks".to_owned())?;
    if age.is_positive() { Ok(age) } else { Err("the age must be positive".to_owned()) }
}

pub(super) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    if args.keep.is_none() && args.older_than.is_none() {
        bail!("give --keep N, --older-than AGE, or both");
    }
    let database = Database::named(context)?;
    let options = args.location.options(context);
    let since = match args.older_than {
        Some(age) => Some(Timestamp::now().checked_sub(age).context("the age is too large")?),
        None => None,
    };
    let retention = Retention::new(args.keep.map(|keep| keep as usize), since);
    let expired = expired(database.url(), &retention, &options).await?;
    if !expired.is_empty() {
        context.out.note(render::backups::expired(&expired));
        context.out.confirm(&format!("Remove {}?", counted(expired.len(), "backup")), args.yes)?;
    }
    let state = state(context, &database).await?;
    let connection = database.connect().await?;
    for backup in &expired {
        remove(backup, &options)?;
        refit::backup::removed(&connection, &state, &backup.id).await?;
    }
    connection.close().await;
    let ids: Vec<&str> = expired.iter().map(|backup| backup.id.as_str()).collect();
    let text = format!("removed {}", counted(ids.len(), "backup"));
    context.out.result(&serde_json::json!({ "removed": ids }), text)?;
    Ok(ExitCode::SUCCESS)
}
