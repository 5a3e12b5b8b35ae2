//! Records in `promotions.toml` what is applied in an environment that another one requires.

use std::collections::HashSet;
use std::path::Path;

use anyhow::Context as _;
use refit::backfill::JobState;
use refit::{Connection, Refusal, Status};
use refit_model::wording::counted;
use refit_model::{MigrationSet, Policies, Policy, Promotion, Promotions, SetStep, Version};

use crate::context::Context;
use crate::database::Database;
use crate::fs;

/// Records what is applied, if another environment requires this one. `ran` are the stems that ran just now.
///
/// A migration that was applied earlier is recorded if it has no record yet: a service may have applied it. If it has one of another
/// digest, its companion files were edited since, and they have not run: the record stays as it is.
///
/// # Errors
/// When the database cannot be read, or the file cannot be read or written.
pub(crate) async fn record(
    set: &MigrationSet,
    ran: &HashSet<&str>,
    database: &Database,
    context: &Context,
) -> anyhow::Result<()> {
    let environment = &context.global.environment;
    if database.is_disposable() || !set.settings().is_required(environment) {
        return Ok(());
    }
    let connection = database.connect().await?;
    // A file that was edited since is not what was applied, whatever the policy says.
    let policies = Policies { changed: Policy::Refuse, ..set.settings().policy };
    let status = context.migrator(set.clone()).policies(policies).status(&connection).await?;
    let at = server_time(&connection).await?;
    connection.close().await;

    let path = context.migrations_dir().join(Promotions::FILE);
    let mut promotions = read(&path)?;
    let (mut recorded, mut edited) = (0, Vec::new());
    for step in applied(set, &status, environment) {
        let (stem, digest) = (&step.file().stem, step.digest());
        match promotions.find(environment, stem) {
            Some(promotion) if promotion.digest == digest => {}
            Some(_) if !ran.contains(stem.as_str()) => edited.push(stem.as_str()),
            _ => {
                promotions.record(environment, stem, Promotion { digest, at: at.clone() });
                recorded += 1;
            }
        }
    }
    if !edited.is_empty() {
        context.out.note(format_args!(
            "not recorded for {environment}, since companion files were edited after it was applied: {}; roll it back and apply it \
             again, or remove its line from {}",
            edited.join(", "),
            path.display()
        ));
    }
    if recorded > 0 {
        fs::write(&path, promotions.text().as_bytes())?;
        let count = counted(recorded, "migration");
        context.out.note(format_args!("recorded {count} in {}; commit it", path.display()));
    }
    Ok(())
}

/// What is completely applied, with the text that the folder has.
fn applied<'s>(
    set: &'s MigrationSet,
    status: &'s Status,
    environment: &'s str,
) -> impl Iterator<Item = SetStep<'s>> {
    let plan = &status.plan;
    let pending = plan.pending.iter().map(|step| step.stem.as_str());
    let open: HashSet<&str> = pending.chain(plan.held.iter().map(|step| step.stem.as_str())).collect();
    let edited = plan.refusals.iter().filter_map(|refusal| match refusal {
        Refusal::Changed { version, .. } | Refusal::Renamed { version, .. } => Some(*version),
        _ => None,
    });
    let incomplete =
        status.backfills.iter().filter(|job| job.state != JobState::Complete).map(|job| job.version);
    let unfit: HashSet<Version> = edited.chain(incomplete).chain(plan.restoring.iter().copied()).collect();
    set.steps_in(environment, None).filter(move |step| {
        !open.contains(step.file().stem.as_str())
            && step.version().is_none_or(|version| !unfit.contains(&version))
    })
}

fn read(path: &Path) -> anyhow::Result<Promotions> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Promotions::default()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    Promotions::parse(Promotions::FILE, &text).map_err(|problem| anyhow::anyhow!("{problem}"))
}

async fn server_time(connection: &Connection) -> anyhow::Result<String> {
    let sql =
        "SELECT pg_catalog.to_char(pg_catalog.now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";
    Ok(connection.query_one(sql, &[]).await.context("cannot read the clock of the server")?.get(0))
}
